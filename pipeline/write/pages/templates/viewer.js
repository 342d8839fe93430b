"use strict";
// Draws slices into canvases, all with one look: window, zoom, centre, outlines and fill.
function makeViewer(study, frames) {
  const [width, height] = study.tile;
  const first = { zoom: 1, x: 0.5, y: 0.5, low: study.window[0], high: study.window[1] };
  const look = { ...first, outlines: true, fill: 0, shown: study.colours.map(() => true) };
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [width, height];
  const tilePen = tile.getContext("2d");
  const pixels = tilePen.createImageData(width, height);
  const sheets = frames.map(readGrey);

  function readGrey(frame) {
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [frame.naturalWidth, frame.naturalHeight];
    const pen = sheet.getContext("2d", { willReadFrequently: true });
    pen.drawImage(frame, 0, 0);
    const colours = pen.getImageData(0, 0, sheet.width, sheet.height).data;
    return Uint8Array.from({ length: colours.length / 4 }, (_, n) => colours[4 * n]);
  }

  function fillTile(phase, slice) {
    const scale = 255 / Math.max(look.high - look.low, 1);
    const shades = Uint8ClampedArray.from({ length: 256 }, (_, grey) => (grey - look.low) * scale);
    const stride = width * study.columns;
    const corner = Math.floor(slice / study.columns) * height * stride + (slice % study.columns) * width;
    for (let y = 0, n = 0; y < height; y++) {
      for (let x = 0; x < width; x++, n += 4) {
        const shade = shades[sheets[phase][corner + y * stride + x]];
        pixels.data[n] = pixels.data[n + 1] = pixels.data[n + 2] = shade;
        pixels.data[n + 3] = 255;
      }
    }
    tilePen.putImageData(pixels, 0, 0);
  }

  function placeTile(canvas) {
    const across = (canvas.width / width) * look.zoom, down = (canvas.height / height) * look.zoom;
    return new DOMMatrix([
      across, 0, 0, down, canvas.width / 2 - look.x * width * across, canvas.height / 2 - look.y * height * down,
    ]);
  }

  function drawStructures(pen, place, outlines) {
    pen.resetTransform();
    pen.lineWidth = 1.6 * (window.devicePixelRatio || 1);
    pen.lineJoin = "round";
    const perUnit = place.scale(1 / study.units);
    for (let n = outlines.length - 1; n >= 0; n--) { // the cavity last, on top of its wall
      if (!look.shown[n] || !outlines[n]) continue;
      const path = new Path2D();
      path.addPath(new Path2D(outlines[n]), perUnit);
      pen.fillStyle = pen.strokeStyle = study.colours[n];
      pen.globalAlpha = look.fill;
      if (look.fill) pen.fill(path, "evenodd"); // the wall has a hole
      pen.globalAlpha = 1;
      if (look.outlines) pen.stroke(path);
    }
  }

  // The longest round length that a ruler can have, and its share of the picture's width.
  function measureRuler() {
    const shareOf = (mm) => (mm / study.tile_mm[0]) * look.zoom;
    const mm = [50, 20, 10, 5, 2, 1].find((length) => shareOf(length) < 0.35) || 1;
    return { mm, share: shareOf(mm) };
  }

  function draw(canvas, phase, slice) {
    const pen = canvas.getContext("2d"), place = placeTile(canvas);
    fillTile(phase, slice);
    pen.setTransform(place);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(tile, 0, 0);
    drawStructures(pen, place, study.outlines[phase][slice]);
  }

  // `x` and `y` are shares of the picture; what is there stays in its place.
  function zoomTo(zoom, x = 0.5, y = 0.5) {
    const before = look.zoom;
    look.zoom = Math.min(Math.max(zoom, 1), 8);
    moveBy((x - 0.5) * (1 / before - 1 / look.zoom), (y - 0.5) * (1 / before - 1 / look.zoom));
  }

  function moveBy(x, y) {
    const half = 0.5 / look.zoom;
    look.x = Math.min(Math.max(look.x + x, half), 1 - half);
    look.y = Math.min(Math.max(look.y + y, half), 1 - half);
  }

  function setWindow(width, level) {
    const half = Math.min(Math.max(width, 10), 400) / 2, middle = Math.min(Math.max(level, 0), 255);
    [look.low, look.high] = [middle - half, middle + half];
  }

  return { look, draw, measureRuler, zoomTo, moveBy, setWindow, reset: () => Object.assign(look, first) };
}
