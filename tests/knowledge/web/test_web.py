"""Pages and sitemaps of a real site, through the server's own HTTP client."""

import asyncio
import gzip
import time

import pytest
from aiohttp import web

from guru.config import WebSettings
from guru.errors import InvalidParameter
from guru.store.scope import Scope
from knowledge.parse.writing import pdf
from knowledge.web.site import page, serving_site, sitemap

TENANT = "local"
SCOPE = Scope(TENANT)
OPEN = {"private_hosts": ["127.0.0.1"], "delay_seconds": 0}


@pytest.fixture
async def site():
    async with serving_site() as site:
        site.pages["/tea"] = page("About tea", "Green tea is brewed at 75 degrees.")
        site.pages["/pumps"] = page("About pumps", "The feed pump delivers 40 litres per minute.")
        site.pages["/sitemap.xml"] = sitemap(f"{site.url}/tea", f"{site.url}/pumps")
        yield site


@pytest.fixture
async def bench(open_bench):
    async with open_bench(web=WebSettings(**OPEN)) as bench:
        yield bench


async def documents(bench):
    return {item.name: item for item in (await bench.knowledge.documents.list(SCOPE, "c"))[0]}


async def failure(bench, url):
    result = await bench.ingest(url)
    assert result["documents"] == 0
    return result["failed"][0]["error"]


async def test_a_page_becomes_a_document_named_by_its_address(bench, site):
    site.pages["/tea"] = page(
        "About tea", "Tea is brewed.", '<meta property="article:published_time" content="2024-01-02">'
    )
    site.modified["/tea"] = 1_700_000_000
    result = await bench.ingest(f"{site.url}/tea#brewing")
    assert (result["documents"], result["failed"]) == (1, [])
    (document,) = (await documents(bench)).values()
    assert (document.name, document.title, document.media_type) == (f"{site.url}/tea", "About tea", "text/html")
    assert (document.created, document.modified) == ("2024-01-02", "2023-11-14T22:13:20+00:00")
    assert document.metadata["url"] == f"{site.url}/tea"
    assert all(agent.startswith("Guru/") for agent in site.agents)


async def test_a_page_is_seen_and_replaced_by_whom_its_list_names(bench, site):
    async def fetch(by, **options):
        urls = [f"{site.url}/sitemap.xml"]
        job = await bench.knowledge.ingest.submit_paths(TENANT, "c", urls, by=by, **options)
        return (await bench.ended(job)).result

    ben = Scope(TENANT, ("user:ben",))
    assert (await fetch(SCOPE, access=["user:anna"]))["documents"] == 2
    assert (await bench.knowledge.documents.list(ben, "c"))[0] == []
    before = await documents(bench)
    site.pages["/tea"] = page("About tea", "Black tea wants boiling water.")
    asked = len(site.paths)
    result = await fetch(ben, prune=True)
    assert (result["documents"], result["skipped"], result["removed"], len(result["failed"])) == (0, 0, 0, 2)
    assert site.paths[asked:] == ["/sitemap.xml"]  # nor is it told whether it has changed
    site.pages["/sitemap.xml"] = sitemap(f"{site.url}/pumps")
    assert (await fetch(ben, prune=True))["removed"] == 0
    assert await documents(bench) == before
    result = await fetch(SCOPE, prune=True)
    assert (result["skipped"], result["removed"]) == (1, 1)


async def test_a_text_is_read_in_the_encoding_that_the_answer_says(bench, site):
    async def cyrillic(request):
        body = page("Чай", "Зелёный чай заваривают при 75 градусах.").encode("koi8-r")
        return web.Response(body=body, headers={"content-type": "text/html; charset=KOI8-R"})

    site.pages["/чай"] = site.pages["/%D1%87%D0%B0%D0%B9"] = cyrillic
    await bench.ingest(f"{site.url}/чай")
    (document,) = (await documents(bench)).values()
    assert (document.name, document.title) == (f"{site.url}/%D1%87%D0%B0%D0%B9", "Чай")
    assert "Зелёный чай" in await bench.knowledge.documents.text(SCOPE, document.id, 0, None)


async def test_unchanged_pages_are_not_sent_again(bench, site):
    site.modified["/pumps"] = 1_700_000_000
    await bench.ingest(f"{site.url}/sitemap.xml")
    site.pages["/tea"] = page("About tea", "Black tea wants boiling water.")
    result = await bench.ingest(f"{site.url}/sitemap.xml")
    assert (result["documents"], result["skipped"]) == (1, 1)
    again = [headers for path, headers in site.asked if path in ("/tea", "/pumps")][2:]
    assert any("if-none-match" in headers for headers in again)
    assert any("if-modified-since" in headers for headers in again)
    (hit, *_) = await bench.search("boiling water")
    assert "Black tea" in hit.text


async def test_a_page_without_validators_is_skipped_by_its_content(bench, site):
    async def plain(request):
        return web.Response(text=page("Plain", "The same words."), content_type="text/html")

    site.pages["/plain"] = plain
    await bench.ingest(f"{site.url}/plain")
    assert (await bench.ingest(f"{site.url}/plain"))["skipped"] == 1


async def test_other_settings_fetch_and_read_anew(open_bench, site):
    async with open_bench(web=WebSettings(**OPEN)) as bench:
        await bench.ingest(f"{site.url}/tea")
    async with open_bench(web=WebSettings(**OPEN), chunk_tokens=50) as bench:
        assert (await bench.ingest(f"{site.url}/tea"))["documents"] == 1


async def test_a_sitemap_lists_pages_and_files(bench, site):
    site.pages["/manual.php?id=7"] = pdf(text="The manual of the pump.")
    site.pages["/sitemap.xml"] = sitemap(f"{site.url}/tea", "/manual.php?id=7", "http://elsewhere.example/x")
    result = await bench.ingest(f"{site.url}/sitemap.xml")
    assert (result["documents"], result["failed"]) == (2, [])
    found = await documents(bench)
    assert found[f"{site.url}/manual.php?id=7"].media_type == "application/pdf"
    assert found[f"{site.url}/tea"].modified == "2024-05-06"
    assert result["ignored"][0]["path"] == "http://elsewhere.example/x"


async def test_a_sitemap_of_another_name_is_told_by_its_content(bench, site):
    site.pages["/pages.xml"] = sitemap(f"{site.url}/tea", f"{site.url}/pumps")
    site.pages["/feed.xml"] = "<rss><channel><title>News of the week</title></channel></rss>"
    assert (await bench.ingest(f"{site.url}/pages.xml"))["documents"] == 2
    assert (await bench.ingest(f"{site.url}/feed.xml", collection="d"))["documents"] == 1


async def test_a_page_named_twice_is_one_document(bench, site):
    result = await bench.ingest(f"{site.url}/tea", f"{site.url}/sitemap.xml", f"{site.url}/tea#part")
    assert (result["documents"], result["failed"]) == (2, [])
    assert site.paths.count("/tea") == 1


async def test_an_index_of_packed_sitemaps_is_followed_once(bench, site):
    site.pages["/sitemap.xml"] = sitemap(f"{site.url}/a-sitemap.xml.gz", f"{site.url}/sitemap.xml", index=True)
    site.pages["/a-sitemap.xml.gz"] = gzip.compress(sitemap(f"{site.url}/tea").encode())
    result = await bench.ingest(f"{site.url}/sitemap.xml")
    assert (result["documents"], result["failed"]) == (1, [])
    assert site.paths.count("/sitemap.xml") == 1


async def test_pages_beyond_the_limit_are_left_out_and_that_is_said(open_bench, site):
    async with open_bench(web=WebSettings(**OPEN, max_pages=1)) as bench:
        result = await bench.ingest(f"{site.url}/sitemap.xml", prune=True)
        assert result["documents"] == 1
        assert "max_pages" in result["failed"][0]["error"]


async def test_prune_drops_pages_that_are_gone_or_no_longer_listed(bench, site):
    site.pages["/third"] = page("Third", "A third page.")
    site.pages["/sitemap.xml"] = sitemap(*(f"{site.url}/{name}" for name in ("tea", "pumps", "third")))
    await bench.ingest(f"{site.url}/sitemap.xml")
    del site.pages["/tea"]
    site.pages["/sitemap.xml"] = sitemap(f"{site.url}/tea", f"{site.url}/pumps")
    result = await bench.ingest(f"{site.url}/sitemap.xml")
    assert (result["removed"], len(result["failed"])) == (0, 1)
    assert "--prune" in result["failed"][0]["error"]
    result = await bench.ingest(f"{site.url}/sitemap.xml", prune=True)
    assert (result["removed"], result["failed"]) == (2, [])
    assert list(await documents(bench)) == [f"{site.url}/pumps"]


async def test_prune_keeps_what_has_trouble_today(bench, site):
    await bench.ingest(f"{site.url}/sitemap.xml")

    async def broken(request):
        return web.Response(status=500)

    site.pages["/tea"] = broken
    result = await bench.ingest(f"{site.url}/sitemap.xml", prune=True)
    assert (result["removed"], result["skipped"]) == (0, 1)
    assert "status 500" in result["failed"][0]["error"]
    site.pages["/sitemap.xml"] = broken
    assert (await bench.ingest(f"{site.url}/sitemap.xml", prune=True))["removed"] == 0
    assert len(await documents(bench)) == 2


async def test_a_single_page_that_is_gone_is_pruned(bench, site):
    await bench.ingest(f"{site.url}/tea")
    del site.pages["/tea"]
    assert (await bench.ingest(f"{site.url}/tea", prune=True))["removed"] == 1
    assert not await documents(bench)


# --------------------------------------------------------------------------- where it may not go


async def test_loopback_is_refused_unless_it_is_allowed(open_bench, site):
    async with open_bench(web=WebSettings(delay_seconds=0)) as bench:
        error = await failure(bench, f"{site.url}/tea")
        assert "private network" in error
        assert "private_hosts" in error
        assert "private network" in await failure(bench, f"{site.url.replace('127.0.0.1', 'localhost')}/tea")
    assert not site.asked


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"],
)
async def test_private_addresses_are_refused_in_every_form(open_bench, host):
    async with open_bench(web=WebSettings(delay_seconds=0, timeout_seconds=5)) as bench:
        assert "private network" in await failure(bench, f"http://{host}:9/latest/meta-data")


async def test_a_redirect_into_the_private_network_is_refused(open_bench, site):
    async def away(request):
        raise web.HTTPFound(f"http://localhost:{site.host.rpartition(':')[2]}/secret")

    site.pages["/away"] = away
    site.pages["/secret"] = page("Secret", "It is secret.")
    async with open_bench(web=WebSettings(private_hosts=[site.host], delay_seconds=0)) as bench:
        assert "private network" in await failure(bench, f"{site.url}/away")
    assert site.paths == ["/away"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "", "http://user:word@127.0.0.1/"])
async def test_a_redirect_to_what_is_no_page_is_refused(bench, site, target):
    async def away(request):
        return web.Response(status=302, headers={"location": target} if target else {})

    site.pages["/away"] = away
    error = await failure(bench, f"{site.url}/away")
    assert "redirects" in error


async def test_redirects_are_followed_and_rings_are_not(bench, site):
    async def moved(request):
        raise web.HTTPMovedPermanently("/tea")

    async def ring(request):
        raise web.HTTPFound("/ring")

    site.pages["/old"], site.pages["/ring"] = moved, ring
    await bench.ingest(f"{site.url}/old")
    (document,) = (await documents(bench)).values()
    assert (document.name, document.metadata["url"]) == (f"{site.url}/old", f"{site.url}/tea")
    assert "more than 5 times" in await failure(bench, f"{site.url}/ring")


@pytest.mark.parametrize("url", ["http://", "https://user:word@host.example/", "http://[::1", "http://a b.example/"])
async def test_addresses_that_are_none_are_refused_before_a_job_is_made(bench, url):
    with pytest.raises(InvalidParameter):
        await bench.knowledge.ingest.submit_paths(TENANT, "c", [url])


# --------------------------------------------------------------------------- manners


async def test_robots_txt_holds(bench, site):
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /private\n\nUser-agent: guru\nDisallow: /tea\n"
    assert "robots.txt" in await failure(bench, f"{site.url}/tea")
    assert (await bench.ingest(f"{site.url}/pumps"))["documents"] == 1
    assert "/tea" not in site.paths


async def test_a_redirect_does_not_lead_around_robots_txt(bench, site):
    async def moved(request):
        raise web.HTTPFound("/tea")

    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /tea\n"
    site.pages["/old"] = moved
    assert "robots.txt" in await failure(bench, f"{site.url}/old")


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (403, False), (503, False)])
async def test_a_site_whose_robots_txt_cannot_be_read(bench, site, status, allowed):
    async def robots(request):
        return web.Response(status=status)

    site.pages["/robots.txt"] = robots
    result = await bench.ingest(f"{site.url}/tea", f"{site.url}/pumps")
    assert (result["documents"] == 2) == allowed
    assert [path for path, _ in site.asked].count("/robots.txt") == 1


async def test_requests_to_one_site_keep_their_distance(open_bench, site):
    async with open_bench(web=WebSettings(private_hosts=["127.0.0.1"], delay_seconds=0.3)) as bench:
        await bench.ingest(f"{site.url}/tea", f"{site.url}/pumps")
    gaps = [later - earlier for earlier, later in zip(site.times, site.times[1:], strict=False)]
    assert len(gaps) == 2
    assert all(gap > 0.25 for gap in gaps)


async def test_no_more_at_once_than_the_setting_says(open_bench, site):
    async def slow(request):
        await asyncio.sleep(0.05)
        return web.Response(text=page(request.path, f"The words of {request.path}."), content_type="text/html")

    names = [f"/page{number}" for number in range(8)]
    site.pages |= dict.fromkeys(names, slow)
    site.pages["/sitemap.xml"] = sitemap(*(site.url + name for name in names))
    async with open_bench(web=WebSettings(**OPEN, concurrency=2)) as bench:
        assert (await bench.ingest(f"{site.url}/sitemap.xml"))["documents"] == 8
    assert site.most == 2


async def test_a_busy_site_is_asked_again_as_it_wishes(bench, site):
    answers = iter([503, 429, 200])

    async def busy(request):
        status = next(answers)
        if status == 200:
            return web.Response(text=page("Late", "Here at last."), content_type="text/html")
        return web.Response(status=status, headers={"retry-after": "0"})

    site.pages["/busy"] = busy
    assert (await bench.ingest(f"{site.url}/busy"))["documents"] == 1


# --------------------------------------------------------------------------- limits


async def test_a_page_over_the_limit_is_refused_while_it_comes(open_bench, site):
    sent = 0

    async def endless(request):
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 200 << 20:
            sent += 1 << 18
            await response.write(bytes(1 << 18))
        return response

    site.pages["/endless"] = endless
    async with open_bench(web=WebSettings(**OPEN, max_page_mb=1)) as bench:
        assert "max_page_mb" in await failure(bench, f"{site.url}/endless")
    assert sent < 100 << 20


async def test_a_packed_page_counts_as_it_unpacks(open_bench, site):
    async def bomb(request):
        return web.Response(body=gzip.compress(bytes(50 << 20)), headers={"content-encoding": "gzip"})

    site.pages["/bomb"] = bomb
    async with open_bench(web=WebSettings(**OPEN, max_page_mb=1)) as bench:
        assert "max_page_mb" in await failure(bench, f"{site.url}/bomb")


async def test_all_pages_together_have_a_limit(open_bench, site):
    big = page("Big", f"A few words.<!-- {'x' * 660_000} -->")
    site.pages |= {"/a": big, "/b": big + " "}
    async with open_bench(web=WebSettings(**OPEN, max_total_mb=1, concurrency=1)) as bench:
        result = await bench.ingest(f"{site.url}/a", f"{site.url}/b")
        assert result["documents"] == 1
        assert "max_total_mb" in result["failed"][0]["error"]


async def test_a_page_that_dawdles_is_given_up(open_bench, site):
    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            await asyncio.sleep(0.1)
        return response

    site.pages["/drip"] = drip
    began = time.monotonic()
    async with open_bench(web=WebSettings(**OPEN, timeout_seconds=0.5)) as bench:
        assert "longer than" in await failure(bench, f"{site.url}/drip")
    assert time.monotonic() - began < 8


async def test_an_answer_that_breaks_off_is_told(bench, site):
    async def broken(request):
        response = web.StreamResponse(headers={"content-length": "1000"})
        await response.prepare(request)
        await response.write(b"<p>only so much")
        request.transport.close()
        return response

    site.pages["/broken"] = broken
    assert await failure(bench, f"{site.url}/broken")


async def test_a_site_that_is_not_there_is_told(bench):
    assert "cannot be reached" in await failure(bench, "http://127.0.0.1:9/")


async def test_what_is_no_sitemap_is_told(bench, site):
    site.pages["/sitemap.xml"] = page("Not found", "This is an error page.")
    assert "not a sitemap" in await failure(bench, f"{site.url}/sitemap.xml")


async def test_a_page_that_cannot_be_read_is_told(bench, site):
    site.pages["/empty"] = page("Empty", "")
    assert "no text" in await failure(bench, f"{site.url}/empty")
