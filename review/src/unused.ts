/** Stands in for the viewer's readers of surface files, which this page never calls. */
export default {
  newInstance: (): never => {
    throw new Error("this page reads no surface files");
  },
};
