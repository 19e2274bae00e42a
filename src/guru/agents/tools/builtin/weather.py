"""Weather by Open-Meteo: https://open-meteo.com/en/docs, and places by https://open-meteo.com/en/docs/geocoding-api."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from guru.agents.tools.base import ToolResult
from guru.agents.tools.function import FunctionTool
from guru.agents.tools.web import Web, ask_json
from guru.config import WeatherToolSettings
from guru.errors import DownloadError, NotFound

CURRENT: Final = (
    "temperature_2m", "apparent_temperature", "relative_humidity_2m", "precipitation", "weather_code",
    "wind_speed_10m", "wind_direction_10m",
)  # fmt: skip
DAILY: Final = (
    "weather_code", "temperature_2m_max", "temperature_2m_min", "precipitation_sum", "precipitation_probability_max",
    "wind_speed_10m_max", "sunrise", "sunset",
)  # fmt: skip
# WMO code table 4677, as far as Open-Meteo gives it.
SKY: Final = {
    0: "clear sky", 1: "mainly clear", 2: "partly cloudy", 3: "overcast", 45: "fog", 48: "rime fog",
    51: "light drizzle", 53: "drizzle", 55: "dense drizzle", 56: "light freezing drizzle", 57: "freezing drizzle",
    61: "light rain", 63: "rain", 65: "heavy rain", 66: "light freezing rain", 67: "freezing rain", 71: "light snow",
    73: "snow", 75: "heavy snow", 77: "snow grains", 80: "light showers", 81: "showers", 82: "violent showers",
    85: "light snow showers", 86: "snow showers", 95: "thunderstorm", 96: "thunderstorm with light hail",
    99: "thunderstorm with hail",
}  # fmt: skip


def weather_tool(settings: WeatherToolSettings, web: Web) -> FunctionTool:
    """The tool that knows the weather."""

    async def weather(
        place: Annotated[str, Meta(min_length=2, max_length=100, description="A town, such as Bern.")],
        country: Annotated[str, Meta(description="Its country, where there are several of that name.")] = "",
        days: Annotated[int, Meta(ge=1, le=16, description="How many days, today included.")] = 3,
    ) -> ToolResult:
        """The weather of a place, now and on the next days."""
        try:
            spot = await find_place(settings, web, place, country)
            forecast = await ask_json(web, f"{settings.url.rstrip('/')}/v1/forecast", params={
                "latitude": spot["latitude"], "longitude": spot["longitude"], "current": ",".join(CURRENT),
                "daily": ",".join(DAILY), "timezone": "auto", "forecast_days": days, "apikey": settings.api_key,
            })  # fmt: skip
            return told(spot, forecast)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise DownloadError("The weather came in a form that is not known.", hint="Try later.") from error

    return FunctionTool(weather, effect="read")


async def find_place(settings: WeatherToolSettings, web: Web, place: str, country: str) -> dict[str, Any]:
    """Where a place is. Raises `NotFound`, naming others of the name in other countries."""
    answer = await ask_json(web, f"{settings.geocoding_url.rstrip('/')}/v1/search", params={
        "name": place, "count": 20, "language": "en", "format": "json", "apikey": settings.api_key,
    })  # fmt: skip
    found: list[dict[str, Any]] = answer.get("results") or []
    if not found:
        raise NotFound(f"There is no place called {place!r}.", hint="Write the town alone, in its English name.")
    wanted = country.strip().lower()
    fitting = [
        spot for spot in found
        if not wanted or wanted in (str(spot.get("country", "")).lower(), str(spot.get("country_code", "")).lower())
    ]  # fmt: skip
    if not fitting:
        others = dict.fromkeys(str(spot.get("country")) for spot in found)
        raise NotFound(f"There is no {place!r} in {country!r}.", hint=f"There is one in: {', '.join(others)}.")
    return fitting[0]


def told(spot: dict[str, Any], forecast: dict[str, Any]) -> ToolResult:
    """The forecast in words, and as data."""
    now, daily = forecast["current"], forecast["daily"]
    units = {**forecast.get("daily_units", {}), **forecast.get("current_units", {})}
    name = ", ".join(str(spot[key]) for key in ("name", "admin1", "country") if spot.get(key))

    def value(values: dict[str, Any], key: str) -> str:
        return f"{values[key]} {units.get(key, '')}".rstrip()

    lines = [
        f"{name}, {now['time']} ({forecast.get('timezone', 'local time')})",
        f"Now: {sky(now['weather_code'])}, {value(now, 'temperature_2m')}, feels like "
        f"{value(now, 'apparent_temperature')}, humidity {value(now, 'relative_humidity_2m')}, wind "
        f"{value(now, 'wind_speed_10m')}, precipitation {value(now, 'precipitation')}",
    ]
    days = [{key: daily[key][number] for key in ("time", *DAILY)} for number in range(len(daily["time"]))]
    lines += [
        f"{day['time']}: {sky(day['weather_code'])}, {value(day, 'temperature_2m_min')} to "
        f"{value(day, 'temperature_2m_max')}, precipitation {value(day, 'precipitation_sum')} "
        f"({value(day, 'precipitation_probability_max')}), wind up to {value(day, 'wind_speed_10m_max')}"
        for day in days
    ]
    place = {key: spot.get(key) for key in ("name", "admin1", "country", "latitude", "longitude")}
    return ToolResult(text="\n".join(lines), data={"place": place, "current": now, "days": days, "units": units})


def sky(code: Any) -> str:
    return SKY.get(code, f"weather code {code}")
