"""Where an answer sends us on, and whether we go: by rules of ours, for a source may send anybody anywhere."""

import httpx

from mta_weekly.errors import SourceFailed
from mta_weekly.secrets import clean
from mta_weekly.settings import is_address

MOST = 5  # one after another
LONGEST = 1000  # characters of an address that facts and people are told
STATUSES = {301, 302, 303, 307, 308}
HTTP = ("http", "https")
FOLLOWED = {("http", "http"), ("http", "https"), ("https", "https")}  # never down to what anybody can read and change
LOCATION = "Location"


def keep_location(response: httpx.Response) -> None:
    """A hook: where it leads is for `find_next` alone, and not for the library, which would look at it before us."""
    if response.status_code in STATUSES and LOCATION in response.headers:
        response.extensions[LOCATION] = response.headers.pop(LOCATION)


def find_next(response: httpx.Response, url: httpx.URL) -> httpx.URL | None:
    """The address that an answer from `url` sends us on to, without a login; None where it is no redirect.

    Raises:
        SourceFailed: it leads where we do not go.
    """
    said = response.extensions.get(LOCATION)
    if said is None:
        return None
    try:
        onward = url.join(said)
        leads = bool(onward.host) and is_address(f"{onward.scheme}://{onward.netloc.decode()}")
    except (httpx.InvalidURL, ValueError):
        onward, leads = httpx.URL(), False
    if onward.scheme in ("", *HTTP) and not leads:
        raise _refuse(response, url, "to what is no address", said)
    if (url.scheme, onward.scheme) not in FOLLOWED:
        raise _refuse(response, url, f"from {url.scheme} to {clean(onward.scheme, 20)}, which is not followed", said)
    return onward.copy_with(username=None, password=None, fragment=None)


def refuse_more(url: httpx.URL, asked: str) -> SourceFailed:
    """What to say of a redirect more than there may be."""
    said = f"{url.host} sends us on once more, after {MOST} redirects"
    return SourceFailed(f"{said}; check the address {clean(asked, LONGEST)}")


def name_sender(url: httpx.URL, asked: str) -> str:
    """The address that sent an answer, as facts and people may read it: a redirect's query may be a key."""
    address = httpx.URL(asked)
    if url == address:
        return asked
    return clean(url.copy_with(query=address.query or None), LONGEST)


def move_to(address: str, sender: str) -> str:
    """An address at the host that another answer of the same site came from."""
    url, site = httpx.URL(address), httpx.URL(sender)
    if (url.scheme, url.netloc) == (site.scheme, site.netloc):
        return address
    return str(url.copy_with(scheme=site.scheme, host=site.host, port=site.port))


def _refuse(response: httpx.Response, url: httpx.URL, why: str, said: str) -> SourceFailed:
    # A login is in it, or something that might be taken for one: it would have to be masked for as long as we run.
    where = "" if "@" in said else f" ({clean(said.partition('?')[0], 100)})"
    return SourceFailed(f"{url.host} answers {response.status_code} and sends us on {why}{where}; check the address")
