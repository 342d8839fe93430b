"""Whom the server answers, and how much of what they send it reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipeline.app.review.desk import Desk
from pipeline.app.review.guard import LARGEST_BODY, PAGE_POLICY, Guard, Keys
from pipeline.app.review.server import make_app

CASE = "/api/cases/study"
URL = "http://127.0.0.1:8000"


def guest(app: Guard, **headers: str) -> TestClient:
    """Somebody without a cookie, who sends the right headers otherwise."""
    sent = {"X-CMR-Review": "1", "X-CMR-Reader": "One"} | headers
    return TestClient(app, base_url=URL, headers=sent, follow_redirects=False)


def test_without_a_cookie_nothing_is_shown_and_nothing_done(client: TestClient, out: Path) -> None:
    other = guest(client.app)
    for place in ("/", "/static/x.js", "/api/worklist", CASE, f"{CASE}/image", f"{CASE}/report", "/nowhere"):
        assert other.get(place).status_code == 401, place
    for act in ("open", "strokes", "save", "discard", "choices", "undo", "redo", "renew", "close"):
        answer = other.post(f"{CASE}/{act}", json={})
        assert answer.status_code == 401
        assert "study" not in answer.text
    assert not (out / "study" / "review").exists()
    other.cookies.set("cmr_review_8000", "guess")
    assert other.get("/api/worklist").status_code == 401
    assert client.get("/api/worklist").status_code == 200


def test_a_link_opens_once_and_the_next_is_announced(client: TestClient, tokens: list[str]) -> None:
    assert len(tokens) == 2  # the client's, used, and the next reader's
    assert guest(client.app).get("/", params={"token": tokens[0]}).status_code == 401
    for wrong in ("", "x", "ü", tokens[1][:-1]):
        assert guest(client.app).get("/", params={"token": wrong}).status_code == 401
    second = guest(client.app)
    answer = second.get("/", params={"token": tokens[1]})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert second.get("/api/worklist").status_code == 200
    assert client.get("/api/worklist").status_code == 200
    assert len(set(tokens)) == 3


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.7:8000", "", "localhost.evil.example:8000", "[::1", "["]
)
def test_another_name_is_refused_whatever_the_cookie(client: TestClient, host: str) -> None:
    answer = client.get("/api/worklist", headers={"Host": host})
    assert answer.status_code == 400
    assert "study" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:8000", "LOCALHOST", "[::1]:8000", "127.0.0.2"])
def test_names_of_this_machine_are_ours_through_a_tunnel_too(client: TestClient, host: str) -> None:
    assert client.get("/api/worklist", headers={"Host": host}).status_code == 200


def test_on_a_network_addresses_and_own_names_are_ours(out: Path, tokens: list[str]) -> None:
    app = make_app(Desk(out), Keys(8000, tokens.append), network=True, names=frozenset({"ward7"}))
    client = guest(app)
    assert client.get("/", params={"token": tokens[-1]}).status_code == 303
    for host, status in (("ward7:8000", 200), ("10.0.0.7:8000", 200), ("evil.example", 400)):
        assert client.get("/api/worklist", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CMR-Review": ""},
        {"X-CMR-Review": "0"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_what_another_site_sends_changes_nothing(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post(f"{CASE}/open", json={}, headers=headers).status_code == 403
    assert client.get("/api/worklist").json()["cases"][0]["holder"] is None


def test_the_own_page_may(client: TestClient) -> None:
    headers = {"Origin": URL, "Sec-Fetch-Site": "same-origin"}
    assert client.post(f"{CASE}/open", json={}, headers=headers).status_code == 200


def test_a_form_is_no_request_of_the_page(client: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post(f"{CASE}/open", content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 415


def test_a_body_that_is_too_large_is_not_read(client: TestClient) -> None:
    n_read = 0

    def endless() -> Iterator[bytes]:
        nonlocal n_read
        while n_read < 4 * LARGEST_BODY:
            n_read += 1 << 20
            yield b" " * (1 << 20)

    headers = {"Content-Type": "application/json"}
    declared = client.post(f"{CASE}/open", content=b"{}", headers=headers | {"Content-Length": str(LARGEST_BODY + 1)})
    assert declared.status_code == 413
    assert client.post(f"{CASE}/open", content=b" " * (LARGEST_BODY + 1), headers=headers).status_code == 413
    assert client.post(f"{CASE}/open", content=endless(), headers=headers).status_code == 413
    assert client.post(f"{CASE}/open", content=b"{}", headers=headers).status_code == 200


def test_every_answer_says_what_the_page_may_do(client: TestClient) -> None:
    for answer in (client.get("/api/worklist"), client.get("/nowhere"), guest(client.app).get("/")):
        assert answer.headers["content-security-policy"] == PAGE_POLICY
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    report = client.get(f"{CASE}/report")
    assert report.status_code == 200
    assert "sandbox" in report.headers["content-security-policy"]
    assert "connect-src" not in report.headers["content-security-policy"]  # so by default none


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e",
        "%2e%2e%2f%2e%2e",
        "..%2fout%2fstudy",
        "study%2f..%2fstudy",
        "study%00",
        "STUDY",
        "none",
        "%c0%af",
    ],
)
def test_a_case_is_one_of_the_folder_and_nothing_else(client: TestClient, name: str) -> None:
    for place in ("", "/labels", "/report", "/audit"):
        assert client.get(f"/api/cases/{name}{place}").status_code in (404, 405)
    assert client.post(f"/api/cases/{name}/open", json={}).status_code in (404, 405)


def test_files_outside_the_page_are_not_served(client: TestClient) -> None:
    for place in ("../server.py", "%2e%2e/server.py", "..%2fserver.py", "%2fetc%2fpasswd"):
        assert client.get(f"/static/{place}").status_code == 404
