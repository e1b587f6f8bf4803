"""What the HTTP library raises, in our words: who did not answer, what broke, and whether it may pass."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from mta_weekly.errors import Busy, EtlError, NoAnswer, Silent, SourceFailed, TryAgain, to_one_line
from mta_weekly.fetch.body import Body
from mta_weekly.fetch.client import Web
from mta_weekly.retry import RetryBudget
from mta_weekly.secrets import clean

LONGEST = 200  # characters of what the library says, which may quote the source
LOOK = "look at HTTP_PROXY and HTTPS_PROXY"
PASSING = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)  # the other side has gone away


@contextmanager
def translate_faults(body: Body, client: Web, budget: RetryBudget) -> Iterator[None]:
    """What the HTTP library raises while `body` is asked for and comes.

    Raises:
        NoAnswer: nobody is there, or not a byte has come.
        TryAgain: what came is broken.
        SourceFailed: no retry mends it.
        GaveUp: the time of the week is over.
    """
    try:
        yield
    except httpx.LocalProtocolError as error:
        said = f"{body.host} cannot be asked in this way ({type(error).__name__}); check the address"
        raise SourceFailed(said) from None
    except httpx.ProxyError as error:
        raise _explain_proxy(error, body.host) from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise _explain_connection(error, body, client) from error
    except httpx.ReadTimeout as error:
        raise _explain_silence(body, client, budget) from error
    except httpx.TransportError as error:
        raise _explain_break(error, body, client) from error
    except (httpx.InvalidURL, httpx.DecodingError, UnicodeError) as error:
        raise SourceFailed(
            f"{body.host}: {clean(error, LONGEST)}; check the address {clean(body.source_url, LONGEST)}"
        ) from error


def _explain_silence(body: Body, client: Web, budget: RetryBudget) -> EtlError:
    budget.check_time(f"{body.host} has not sent all of it")
    if body.answered:
        seconds = f"{client.read_timeout:g} s (MTA_READ_TIMEOUT)"
        return TryAgain(f"{body.host} sent no more of the body for {seconds}, after {_measure(body)}")
    seconds = f"{client.head_timeout:g} s (MTA_HEAD_TIMEOUT)"
    if client.awaited.came:
        return Busy(f"{body.host} did not come to the end of the head of its answer within {seconds}")
    return Silent(f"no answer from {_name_silent(body)} within {seconds}")


def _explain_break(error: httpx.TransportError, body: Body, client: Web) -> EtlError:
    if body.answered:
        return TryAgain(f"the body from {body.host} broke off at {_measure(body)}")
    said = to_one_line(error, LONGEST)
    if client.awaited.came:
        said = "it broke off" if "disconnected" in said else said  # the library's word for both
        return TryAgain(f"{body.host} answered with what is no whole head of HTTP: {said}")
    cause = _find_tls(error)
    if cause and not isinstance(cause, PASSING):  # as it may want a certificate of ours, and says so late (TLS 1.3)
        return _refuse_tls(body.host, said)
    return NoAnswer(f"no answer from {_name_silent(body)}: {said}")


def _name_silent(body: Body) -> str:
    """Who does not answer; and who, having answered, sends us there."""
    asked = httpx.URL(body.url.partition(" ")[0]).host
    return body.host if body.host == asked else f"{body.host}, where {asked} sends us on"


def _explain_connection(error: httpx.TransportError, body: Body, client: Web) -> EtlError:
    host = body.host
    said = to_one_line(error, LONGEST)
    peer, port = client.awaited.peer
    if not client.awaited.came and peer and httpx.URL(scheme="http", host=peer).host != host:
        return TryAgain(f"no answer from the proxy {peer}:{port}, which leads to {host}: {said}; {LOOK}")
    cause = _find_tls(error)
    if isinstance(error, httpx.ConnectTimeout):
        within = f"{client.connect_timeout:g} s (MTA_CONNECT_TIMEOUT)"
        return NoAnswer(f"no connection with {_name_silent(body)} within {within}")
    if cause is None:
        return NoAnswer(f"no answer from {_name_silent(body)}: {said}")
    if isinstance(cause, PASSING):
        return TryAgain(f"{host} broke off while the connection was made secure: {said}")
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = clean(cause.verify_message, LONGEST).rstrip(".")
        return SourceFailed(f"the certificate of {host} is not trusted: {said}; check the address, and SSL_CERT_FILE")
    return _refuse_tls(host, said)


def _refuse_tls(host: str, said: str) -> EtlError:
    return SourceFailed(f"{host} does not answer by TLS as it should: {said}; check the address")


def _find_tls(error: BaseException | None) -> ssl.SSLError | None:
    """What was wrong with the secure connection, among the causes of an error."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _explain_proxy(error: httpx.ProxyError, host: str) -> EtlError:
    said = clean(error, LONGEST)
    if said.startswith("5"):
        return Busy(f"the proxy does not reach {host}: {said}")
    return SourceFailed(f"the proxy does not lead to {host}: {said}; {LOOK}")


def _measure(body: Body) -> str:
    """How much of it is there."""
    promised = f" of {body.size:,}" if body.size is not None else ""
    return f"{body.received:,}{promised} bytes"
