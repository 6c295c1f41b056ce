"""Variables that libraries read: the page's own address avoids proxies, and a bad value is named."""

from __future__ import annotations

import urllib.request

import pytest

from bksdm_demo.library_variables import bracketed, drop_empty, reach_directly, start_error


@pytest.mark.parametrize("host", [None, "0.0.0.0", "127.0.0.1", "::1", "192.0.2.1"])
def test_the_own_address_avoids_proxies_and_others_are_kept(host: str | None) -> None:
    environ = {"http_proxy": "http://127.0.0.1:9", "NO_PROXY": "example.org"}
    reach_directly(environ, host)
    listed = {"no": environ["no_proxy"]}
    own = "localhost" if host in (None, "0.0.0.0") else host
    assert urllib.request.proxy_bypass_environment(own, listed)  # type: ignore[attr-defined]
    assert urllib.request.proxy_bypass_environment("example.org", listed)  # type: ignore[attr-defined]
    assert not urllib.request.proxy_bypass_environment("example.com", listed)  # type: ignore[attr-defined]
    assert environ["no_proxy"] == environ["NO_PROXY"]


def test_an_ipv6_address_has_brackets() -> None:
    hosts = ["::1", "[::1]", "127.0.0.1", None]
    assert [bracketed(host) for host in hosts] == ["[::1]", "[::1]", "127.0.0.1", None]


def test_empty_variables_are_as_good_as_none() -> None:
    environ = {"GRADIO_SERVER_PORT": "", "HF_TOKEN": " ", "HF_HOME": "/a", "HOME": ""}
    drop_empty(environ)
    assert environ == {"HF_HOME": "/a", "HOME": ""}


@pytest.mark.parametrize(
    ("environ", "error", "named"),
    [
        ({"GRADIO_SERVER_PORT": "abc"}, ValueError("invalid literal for int(): 'abc'"), "GRADIO_SERVER_PORT has"),
        ({"GRADIO_TEMP_DIR": "/proc/nope"}, FileNotFoundError(2, "None", "/proc/nope"), "GRADIO_TEMP_DIR has"),
        ({"ALL_PROXY": "socks5://a"}, ImportError("Using SOCKS proxy, but ..."), "ALL_PROXY names a SOCKS proxy"),
        ({"HF_HOME": "/proc/nope"}, FileNotFoundError(2, "None", "/proc/nope/hub"), "HF_HOME has"),
        ({"HF_HUB_DISABLE_TELEMETRY": "True"}, ValueError("set share=True"), "The page cannot start: set share=True."),
        ({"ALL_PROXY": "ftp://a"}, ValueError("Unknown scheme for proxy URL"), "ALL_PROXY is no address of a proxy"),
        ({}, OSError("two\nlines."), "The page cannot start: two lines."),
        ({"A": "1"}, OSError("Cannot find empty port in range: 80-80. You can ..."), "The page cannot listen there: "),
        ({}, KeyError(), "The page cannot start: KeyError."),
    ],
)
def test_the_variable_is_named(environ: dict[str, str], error: Exception, named: str) -> None:
    said = start_error(error, environ)
    assert said.startswith(named)
    assert "\n" not in said
