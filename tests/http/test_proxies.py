"""What proxies say: believed of those that are listed, and of nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.handlers.policy import check_proxies
from covet.http import JSONResponse, Request, Response
from covet.http.proxies import TrustedProxies
from covet.urls import path
from tests.handlers.sites import Site


async def where(request: Request) -> Response:
    return JSONResponse(
        {
            "client": request.client[0] if request.client else None,
            "scheme": request.scheme,
            "secure": request.is_secure,
            "uri": request.build_absolute_uri("/x"),
        }
    )


async def ask(site: Site, headers: dict[str, str], **settings: Any) -> Any:
    settings.setdefault("TRUSTED_PROXIES", ["127.0.0.1", "10.0.0.0/8"])
    client = await site([path("", where)], ALLOWED_HOSTS=["*"], **settings)
    return (await client.get("/", headers={"host": "inner", **headers})).json()


async def test_a_trusted_proxy_tells_client_scheme_host_and_port(site: Site) -> None:
    told = await ask(
        site,
        {
            "x-forwarded-for": "203.0.113.9, 10.1.2.3",
            "x-forwarded-proto": "https",
            "x-forwarded-host": "example.com",
            "x-forwarded-port": "8443",
        },
        USE_X_FORWARDED_HOST=True,
        USE_X_FORWARDED_PORT=True,
    )

    assert told == {"client": "203.0.113.9", "scheme": "https", "secure": True, "uri": "https://example.com:8443/x"}


async def test_host_and_port_are_taken_only_if_the_settings_say_so(site: Site) -> None:
    told = await ask(site, {"x-forwarded-host": "evil.example", "x-forwarded-port": "1", "x-forwarded-proto": "https"})

    assert told["uri"] == "https://inner/x"


async def test_what_the_client_itself_wrote_is_not_believed(site: Site) -> None:
    told = await ask(site, {"x-forwarded-for": "1.1.1.1, 203.0.113.9, 10.1.2.3"})

    assert told["client"] == "203.0.113.9"


async def test_a_peer_that_is_no_proxy_is_not_believed(site: Site) -> None:
    told = await ask(
        site,
        {"x-forwarded-for": "1.1.1.1", "x-forwarded-proto": "https", "x-forwarded-host": "evil.example", "x-tls": "on"},
        TRUSTED_PROXIES=["10.0.0.0/8"],
        USE_X_FORWARDED_HOST=True,
        SECURE_PROXY_SSL_HEADER=("X-Tls", "on"),
    )

    assert told == {"client": "127.0.0.1", "scheme": "http", "secure": False, "uri": "http://inner/x"}


async def test_the_header_for_https_is_believed_of_a_proxy(site: Site) -> None:
    told = await ask(site, {"x-tls": "on"}, SECURE_PROXY_SSL_HEADER=("X-Tls", "on"))

    assert told["uri"] == "https://inner/x"


async def test_rfc_7239_is_read_where_it_is_chosen(site: Site) -> None:
    told = await ask(
        site,
        {
            "forwarded": 'for=1.1.1.1;proto=http, For="[2001:db8::1]:4711";proto=https;host="example.com, ok", for=10.0.0.1',
            "x-forwarded-for": "6.6.6.6",
        },
        TRUSTED_PROXY_HEADERS="forwarded",
    )
    other = await ask(site, {"forwarded": "for=6.6.6.6;proto=https"}, TRUSTED_PROXY_HEADERS="x-forwarded")

    assert (told["client"], told["scheme"]) == ("2001:db8::1", "https")
    assert (other["client"], other["scheme"]) == ("127.0.0.1", "http")


async def test_the_port_of_the_setting_alone_needs_no_list(site: Site) -> None:
    told = await ask(site, {"x-forwarded-port": "8080"}, TRUSTED_PROXIES=[], USE_X_FORWARDED_PORT=True)
    bad = await ask(site, {"x-forwarded-port": "8080@evil"}, TRUSTED_PROXIES=[], USE_X_FORWARDED_PORT=True)

    assert told["uri"] == "http://inner:8080/x"
    assert bad["uri"] == "http://inner/x"


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        ("203.0.113.9:1234", ("203.0.113.9", 1234)),
        ("[2001:db8::2]", ("2001:db8::2", 0)),
        ("unknown", None),
        ("203.0.113.9, unknown, 10.0.0.2", ("10.0.0.2", 0)),
        ("10.0.0.3, 10.0.0.2", ("10.0.0.3", 0)),
        ("", None),
        (", ,", None),
    ],
)
def test_addresses_are_read_as_proxies_write_them(sent: str, client: Any) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])

    assert proxies.read([(b"x-forwarded-for", sent.encode())]).client == client


def test_several_values_are_those_of_the_same_hop() -> None:
    told = TrustedProxies(["10.0.0.0/8"], use_host=True).read(
        [
            (b"x-forwarded-for", b"203.0.113.9, 10.0.0.2"),
            (b"x-forwarded-proto", b"https, http"),
            (b"x-forwarded-host", b"a.example, b.example"),
        ]
    )

    assert (told.scheme, told.host) == ("https", "a.example")


@pytest.mark.parametrize(
    ("trusted", "peer", "is_trusted"),
    [
        (["unix"], None, True),
        (["10.0.0.1"], None, False),
        (["10.0.0.1"], ("::ffff:10.0.0.1", 1), True),
        (["*"], ("8.8.8.8", 1), True),
        (["fd00::/8"], ("10.0.0.1", 1), False),
        (["10.0.0.1"], ("testclient", 1), False),
    ],
)
def test_who_is_trusted(trusted: list[str], peer: Any, is_trusted: bool) -> None:
    assert TrustedProxies(trusted).trusts(peer) is is_trusted


@given(st.binary(max_size=80), st.sampled_from(["forwarded", "x-forwarded"]))
def test_no_header_breaks_the_reader(value: bytes, kind: str) -> None:
    names = (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")
    proxies = TrustedProxies(["*"], headers=kind, use_host=True, use_port=True)

    client, scheme, _, is_trusted = proxies.apply(("127.0.0.1", 1), "ws", [(name, value) for name in names])

    assert is_trusted
    assert client is not None
    assert scheme in ("ws", "wss")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"trusted": ["10.0.0.1/8"]}, "TRUSTED_PROXIES"), ({"trusted": [], "headers": "via"}, "TRUSTED_PROXY_HEADERS")],
)
def test_mistakes_in_the_settings_are_told(arguments: Any, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        TrustedProxies(**arguments)


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({"USE_X_FORWARDED_HOST": True}, ["http.W001"]),
        ({"USE_X_FORWARDED_HOST": True, "TRUSTED_PROXIES": ["10.0.0.1"]}, []),
        ({"TRUSTED_PROXIES": ["*"]}, ["http.W002"]),
        ({}, []),
    ],
)
def test_the_deploy_check_tells_what_anyone_could_say(settings: dict[str, Any], ids: list[str]) -> None:
    with override(**settings):
        assert [message.id for message in check_proxies()] == ids
