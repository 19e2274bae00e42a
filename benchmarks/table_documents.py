"""Documents with tables in other layouts than company reports: Markdown, CSV, XLSX, HTML, DOCX and PDF.

`write(folder)` makes them; `table_questions.json` asks about them. All of it is invented. Two companies and two
warehouses have the same lines with other figures, and prose beside the tables has the words of the questions.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

Table = list[list[str]]

ROWING = """# Lake Veller Rowing Club

The club was founded in 1921 and rows on Lake Veller. Membership grew strongly in recent years, and the women's squad
won more medals than ever before.

## Members

| Group | 2020 | 2021 | 2022 | 2023 |
|---|---|---|---|---|
| Juniors | 84 | 91 | 103 | 118 |
| Seniors | 142 | 139 | 151 | 160 |
| Veterans | 37 | 41 | 40 | 44 |
| Total | 263 | 271 | 294 | 322 |

## Regatta results, 2023 season

| Boat | Crew | Time (min:s) | Place |
|---|---|---|---|
| Single scull | Ana Brandt | 7:42.1 | 3 |
| Double scull | Ana Brandt, Lia Okoro | 7:04.8 | 1 |
| Coxless four | Mads Ekman, Tor Lund, Jo Reyes, Sam Vance | 6:21.5 | 2 |
| Eight | First eight | 5:51.0 | 4 |

The eight missed the podium by less than a second. The coxless four were led by Mads Ekman, who has rowed since 2009.
"""

OBSERVATORY = """# Observatory Night Plan

Visitors are welcome on public nights. The large telescope is used for spectroscopy in most nights of the month.

Night | Instrument | Target | Start (UTC) | Hours
--- | --- | --- | --- | ---
3 March | Large telescope | Crab Nebula | 19:30 | 4.5
4 March | Small telescope | Moon | 18:45 | 2
7 March | Large telescope | Orion Nebula | 20:15 | 3
12 March | Radio dish | Cassiopeia A | 22:00 | 6
15 March | Small telescope | Jupiter | 19:00 | 2.5

On 12 March the dome stays closed for visitors.
"""

POPULATION: Table = [
    ["City", "Country", "1990", "2000", "2010", "2020"],
    ["Arlund", "Norvia", "412000", "455300", "501800", "563400"],
    ["Brekkavik", "Norvia", "88100", "90450", "97320", "101900"],
    ["Castelmar", "Sorrea", "1204000", "1310500", "1288700", "1342900"],
    ["Dunmoor", "Albany Isles", "67900", "61200", "58750", "60310"],
    ["Elmira Bay", "Sorrea", "230400", "288900", "345600", "402750"],
]

STOCK_HEADER = ["Article", "Item number", "On hand", "Reserved", "Reorder level", "Unit price (EUR)"]
STOCK: dict[str, Table] = {
    "warehouse_north_stock.xlsx": [
        ["Hydraulic pump", "HP-210", "34", "6", "10", "418.00"],
        ["Ball bearing 6204", "BB-6204", "1250", "300", "400", "3.15"],
        ["Conveyor belt 20 m", "CB-020", "7", "2", "3", "890.00"],
        ["Safety helmet", "SH-001", "212", "40", "80", "17.90"],
        ["Pressure sensor", "PS-077", "58", "12", "20", "64.50"],
    ],
    "warehouse_south_stock.xlsx": [
        ["Hydraulic pump", "HP-210", "19", "4", "8", "421.00"],
        ["Ball bearing 6204", "BB-6204", "860", "120", "350", "3.05"],
        ["Forklift battery", "FB-480", "5", "1", "2", "2350.00"],
        ["Safety helmet", "SH-001", "97", "15", "60", "17.90"],
        ["Pressure sensor", "PS-077", "73", "9", "25", "63.80"],
    ],
}

ENERGY: dict[str, Table] = {
    "Generation": [
        ["Source (GWh)", "2019", "2020", "2021", "2022"],
        ["Hydro power", "14210", "15330", "13980", "12740"],
        ["Wind power, onshore", "6120", "7450", "8010", "9365"],
        ["Wind power, offshore", "1980", "2240", "3105", "4420"],
        ["Solar power", "2310", "2875", "3540", "4610"],
        ["Natural gas", "9840", "8120", "7905", "6730"],
    ],
    "Prices": [
        ["Customer (ct/kWh)", "2019", "2020", "2021", "2022"],
        ["Households", "21.4", "22.0", "24.7", "31.2"],
        ["Small business", "18.9", "19.1", "21.8", "28.6"],
        ["Industry", "9.7", "9.2", "12.5", "19.4"],
    ],
}

RIVERS = """<html><head><title>Rivers of Norvia</title></head><body><h1>Rivers of Norvia</h1>
<p>Norvia has many rivers. The longest of them is the Tarn, which has shaped the country and its towns, and whose mean
discharge was measured for the first time in 1887.</p>
<table><tr><th>River</th><th>Length (km)</th><th>Mean discharge (m3/s)</th><th>Mouth</th></tr>
<tr><td>Tarn</td><td>612</td><td>540</td><td>Arlund Bay</td></tr>
<tr><td>Skelva</td><td>388</td><td>215</td><td>Lake Hodd</td></tr>
<tr><td>Brekka</td><td>141</td><td>62</td><td>Brekkavik Fjord</td></tr>
<tr><td>Ulla</td><td>207</td><td>98</td><td>Tarn</td></tr></table>
<h2>Lakes</h2><table><tr><th>Lake</th><th>Area (km2)</th><th>Greatest depth (m)</th></tr>
<tr><td>Lake Hodd</td><td>184</td><td>211</td></tr><tr><td>Lake Veller</td><td>96</td><td>73</td></tr>
<tr><td>Lake Imsa</td><td>41</td><td>128</td></tr></table></body></html>
"""

LEAGUE = """<html><head><title>Coastal Football League, season 2022</title></head><body>
<h1>Coastal Football League, season 2022</h1>
<p>Harbour United won the title for the third time. Their goals were scored by eleven players.</p>
<table><tr><th>Club</th><th>Played</th><th>Won</th><th>Drawn</th><th>Lost</th><th>Goals</th><th>Points</th></tr>
<tr><td>Harbour United</td><td>22</td><td>15</td><td>4</td><td>3</td><td>47</td><td>49</td></tr>
<tr><td>Brekkavik IF</td><td>22</td><td>13</td><td>5</td><td>4</td><td>41</td><td>44</td></tr>
<tr><td>Dunmoor Rovers</td><td>22</td><td>10</td><td>6</td><td>6</td><td>38</td><td>36</td></tr>
<tr><td>Elmira Town</td><td>22</td><td>7</td><td>3</td><td>12</td><td>26</td><td>24</td></tr></table>
<h2>Attendance</h2><table><tr><th>Club</th><th>2021</th><th>2022</th></tr>
<tr><td>Harbour United</td><td>8,412</td><td>9,067</td></tr><tr><td>Brekkavik IF</td><td>5,130</td><td>5,644</td></tr>
<tr><td>Dunmoor Rovers</td><td>3,988</td><td>4,205</td></tr></table></body></html>
"""

FERRY: Table = [
    ["Route", "First departure", "Last departure", "Crossing time", "Fare (adult)"],
    ["Arlund - Brekkavik", "06:15", "21:45", "55 minutes", "12.50"],
    ["Arlund - Dunmoor", "07:00", "19:00", "3 hours 10 minutes", "34.00"],
    ["Brekkavik - Castelmar", "08:30", "17:30", "5 hours 40 minutes", "58.00"],
    ["Castelmar - Elmira Bay", "06:45", "22:15", "40 minutes", "9.80"],
]
FERRY_TEXT = (
    "Ferries run every day. In winter the last departure may be cancelled in a storm, and fares are not refunded."
)
STAFFING: Table = [
    ["Ward", "First quarter", "Second quarter", "Third quarter", "Fourth quarter"],
    ["Emergency", "64", "66", "71", "69"],
    ["Cardiology", "38", "39", "37", "41"],
    ["Paediatrics", "45", "44", "46", "48"],
    ["Radiology", "22", "22", "24", "25"],
]

STAFFING_TEXT = "The number of nurses rose in most wards. Cardiology moved to the new building in the third quarter."

REPORT_TEXT = """Annual report 2021. {name} is listed on the Arlund Stock Exchange. This report speaks of the net sales,
the net income and the interest expense of {name} in the fiscal year 2021."""
DISCUSSION_TEXT = """Fiscal year 2021 compared with fiscal year 2020: Net sales of {name} increased to {sales} million,
driven by volume. Interest expense changed because of lower rates. Marketing and advertising spending rose with the
launch of new products. Net income grew in every quarter of the fiscal year, and research was directed at new recipes,
fibres and packages."""
REPORTS: dict[str, dict[str, Any]] = {
    "HALVORSEN_FOODS_2021_REPORT.pdf": {
        "name": "Halvorsen Foods",
        "income": [
            ["Net sales", "$4,812", "$4,377", "$4,105"],
            ["Cost of goods sold", "3,011", "2,790", "2,655"],
            ["Marketing and advertising", "412", "366", "371"],
            ["Research", "96", "88", "79"],
            ["Interest expense", "57", "61", "66"],
            ["Net income", "$603", "$498", "$441"],
        ],
        "segments": [
            ["Frozen meals", "$1,940", "$1,722"],
            ["Dairy", "1,655", "1,580"],
            ["Bakery", "1,217", "1,075"],
        ],
        "quarters": [
            ["Net sales", "$1,102", "$1,166", "$1,219", "$1,325"],
            ["Gross profit", "407", "431", "452", "511"],
            ["Net income", "131", "142", "155", "175"],
        ],
    },
    "BRIGHTWELL_TEXTILES_2021_REPORT.pdf": {
        "name": "Brightwell Textiles",
        "income": [
            ["Net sales", "$2,266", "$2,194", "$2,301"],
            ["Cost of goods sold", "1,540", "1,511", "1,566"],
            ["Marketing and advertising", "187", "179", "192"],
            ["Research", "41", "39", "36"],
            ["Interest expense", "83", "79", "74"],
            ["Net income", "$214", "$187", "$226"],
        ],
        "segments": [
            ["Home textiles", "$988", "$951"],
            ["Workwear", "734", "702"],
            ["Yarns", "544", "541"],
        ],
        "quarters": [
            ["Net sales", "$540", "$562", "$571", "$593"],
            ["Gross profit", "172", "180", "184", "190"],
            ["Net income", "48", "52", "55", "59"],
        ],
    },
}


def write(folder: Path) -> list[Path]:
    """Write all documents; returns their paths."""
    for name, text in {"rowing_club.md": ROWING, "observatory.md": OBSERVATORY, "rivers.html": RIVERS,
                       "football_league.html": LEAGUE}.items():  # fmt: skip
        (folder / name).write_text(text, "utf-8")
    with (folder / "city_population.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(POPULATION)
    for name, rows in STOCK.items():
        _workbook(folder / name, {"Stock": [STOCK_HEADER, *rows]})
    _workbook(folder / "norvia_energy.xlsx", ENERGY)
    _word(folder / "ferry_timetable.docx", "Coastal Ferries timetable", FERRY, FERRY_TEXT)
    _word(folder / "hospital_staffing.docx", "Arlund Hospital: nurses by ward in 2023", STAFFING, STAFFING_TEXT)
    for name, report in REPORTS.items():
        _report(folder / name, report)
    return sorted(folder.iterdir())


def _workbook(path: Path, sheets: dict[str, Table]) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append([_number(cell) for cell in row] if row is not rows[0] else row)
    book.save(path)


def _number(cell: str) -> str | int | float:
    for read in (int, float):
        try:
            return read(cell)
        except ValueError:
            continue
    return cell


def _word(path: Path, title: str, rows: Table, text: str) -> None:
    import docx

    document = docx.Document()
    document.add_heading(title, 1)
    document.add_paragraph(text)
    table = document.add_table(rows=0, cols=len(rows[0]))
    for row in rows:
        for cell, value in zip(table.add_row().cells, row, strict=True):
            cell.text = value
    document.save(str(path))


def _report(path: Path, report: dict[str, Any]) -> None:
    from fpdf import FPDF

    name = report["name"]
    pdf = FPDF(format="A4", unit="pt")
    pdf.set_auto_page_break(False)
    sales = next(row[1] for row in report["income"] if row[0] == "Net sales")
    _page(pdf, f"{name}, Inc.", REPORT_TEXT.format(name=name))
    _page(pdf, "Management discussion", DISCUSSION_TEXT.format(name=name, sales=sales))
    years = ["Year ended December 31,", "2021", "2020", "2019"]
    _table(pdf, "Statements of income", "(In millions)", years, report["income"])
    _table(pdf, "Net sales by segment", "(In millions)", years[:3], report["segments"])
    ends = ["Quarter ended", "March 31", "June 30", "September 30", "December 31"]
    _table(pdf, "Quarterly information, fiscal year 2021", "(In millions)", ends, report["quarters"])
    pdf.output(str(path))


def _page(pdf: Any, title: str, text: str) -> None:
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 16)
    pdf.text(60, 80, title)
    pdf.set_font("Helvetica", "", 10)
    pdf.set_xy(60, 100)
    pdf.multi_cell(470, 14, " ".join(text.split()))


def _table(pdf: Any, title: str, unit: str, header: list[str], rows: Table) -> None:
    pdf.add_page()
    pdf.set_font("Helvetica", "B", 13)
    pdf.text(60, 80, title)
    pdf.set_font("Helvetica", "", 10)
    pdf.text(60, 106, unit)
    for number, row in enumerate([header, *rows]):
        for column, cell in enumerate(row):
            x = 60 if not column else 210 + 85 * (column - 1)
            pdf.text(x, 134 + 15 * number, cell)
