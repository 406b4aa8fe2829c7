"""The page as files: what it names exists, and nothing in it needs another host or inline code."""

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.ui.routes import UI_DIR, mount_ui

STATIC_REFERENCE = re.compile(r"""["'](/static/[^"']+)["']""")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI()
    mount_ui(app)
    with TestClient(app) as client:
        yield client


def test_every_static_file_that_the_page_and_its_modules_name_is_served(client: TestClient) -> None:
    sources = [client.get("/").text] + [path.read_text() for path in (UI_DIR / "static").glob("*.js")]
    named = {name for source in sources for name in STATIC_REFERENCE.findall(source)}
    assert "/static/app.js" in named
    assert "/static/app.css" in named
    for name in named:
        assert client.get(name).status_code == 200, name


def test_the_page_forbids_other_hosts_and_inline_code_and_has_none(client: TestClient) -> None:
    response = client.get("/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", response.text)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", response.text)


def test_ids_that_the_modules_look_up_are_in_the_page(client: TestClient) -> None:
    page = client.get("/").text
    for path in (UI_DIR / "static").glob("*.js"):
        for name in re.findall(r"""\$\("([\w-]+)"\)""", path.read_text()):
            assert f'id="{name}"' in page, f"{path.name} looks for #{name}"


def test_the_examples_are_links_with_their_query(client: TestClient) -> None:
    assert '<a href="/?q=a%20door%20opens">a door opens</a>' in client.get("/").text
