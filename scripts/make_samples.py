"""Write the sample documents in `src/guru/samples/documents`: the handbook of Tarnholm Instruments, a company that does not exist.

    python scripts/make_samples.py

The same script writes the same bytes. It needs fpdf2 and python-docx, which the test dependencies bring.
"""

# ruff: noqa: E501  (the lines of the documents)
from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import docx
from fpdf import FPDF

SAMPLES = Path(__file__).parent.parent / "src" / "guru" / "samples" / "documents"
DATE = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)
COMPANY = "Tarnholm Instruments"

Table = Sequence[Sequence[str]]
Section = tuple[str, Sequence[str | Table]]

HANDBOOK: Sequence[tuple[str, Sequence[Section]]] = (
    ("1. About us", (
        ("Who we are", (
            "Tarnholm Instruments designs and builds precision balances for laboratories. Ingrid Solheim and Rafael Okonjo "
            "founded the company in Leeds in 2009. Today 412 people work for us at four sites: Leeds, Rotterdam, Porto and "
            "Toronto. Ingrid Solheim is the managing director; Rafael Okonjo leads research.",
            "Our largest product line, the Meridian series, was launched in March 2017 and measures down to one microgram.",
        )),
        ("What we expect of each other", (
            "We tell each other what we know, also when it is unwelcome. A mistake that is reported on the same day is never "
            "a reason for a warning. Anyone may stop a production line when they see a safety problem.",
        )),
    )),
    ("2. Working hours", (
        ("The working week", (
            "A full-time week has 37.5 hours. Core hours, in which everybody can be reached, are from 10:00 to 15:00 on "
            "Monday to Thursday. Friday has no core hours.",
            "Overtime must be agreed with your manager beforehand. It is given back as time off within three months at a "
            "rate of one and a half hours for every hour worked.",
        )),
        ("Remote work", (
            "You may work from home up to three days a week once your probation of four months has ended. Tuesday is our "
            "common day on site. Working from another country is possible for up to 20 working days a year and needs the "
            "approval of the people team at least 30 days ahead.",
            "The company pays 650 euros once for the equipment of a home office, and 35 euros a month for the connection.",
        )),
    )),
    ("3. Leave", (
        ("Annual leave", (
            "Everybody has 27 days of annual leave in a calendar year, besides public holidays. The number rises with the "
            "years of service, as the table shows.",
            (
                ("Years of service", "Days of leave", "Carry over"),
                ("Under 3", "27", "5"),
                ("3 to 5", "29", "5"),
                ("6 to 9", "31", "8"),
                ("10 and more", "33", "10"),
            ),
            "Days that are carried over lapse on 31 March of the following year. Leave of more than ten working days in a "
            "row has to be requested eight weeks ahead.",
        )),
        ("Sick leave", (
            "Tell your manager before 9:30 on the first day. A doctor's note is needed from the fourth day on. Full pay "
            "continues for twelve weeks, and half pay for another twelve.",
        )),
        ("Parental leave", (
            "Every parent has 22 weeks of leave at full pay, whichever way the child joined the family. It may be taken in "
            "up to three parts until the child is two years old. A gradual return at 60 percent of the hours is possible "
            "for the first eight weeks.",
        )),
        ("Sabbatical", (
            "After six years you may take an unpaid sabbatical of up to six months. Your position is held for you.",
        )),
    )),
    ("4. Pay and benefits", (
        ("Pay day", (
            "Salaries are paid on the 26th of each month; when that is no working day, on the working day before. Salaries "
            "are reviewed every April. The bonus for the year is paid with the salary of March.",
        )),
        ("Pension and insurance", (
            "You contribute 5 percent of your salary to the pension plan and the company adds 9 percent. Life insurance of "
            "four times the annual salary begins on your first day.",
        )),
        ("Learning", (
            "Each person has a learning budget of 1,800 euros and five learning days a year. Unused budget does not carry "
            "over. Courses over 900 euros need the approval of the head of department.",
        )),
        ("Commuting", (
            "The company pays half of a season ticket for public transport. The bicycle scheme covers bicycles up to 3,000 "
            "euros.",
        )),
    )),
    ("5. Leaving", (
        ("Notice periods", (
            "During probation the notice period is two weeks on both sides. Afterwards it depends on the length of service.",
            (
                ("Length of service", "Notice by employee", "Notice by company"),
                ("Up to 2 years", "1 month", "1 month"),
                ("2 to 7 years", "2 months", "3 months"),
                ("Over 7 years", "3 months", "6 months"),
            ),
            "Laptops, badges and keys are handed back on the last working day. The people team, led by Amara Lindqvist, "
            "holds an exit interview in the last week.",
        )),
    )),
)  # fmt: skip

TRAVEL: Sequence[Section] = (
    ("Before you travel", (
        "Trips within the country are approved by your manager, trips abroad by the head of department. Book at least 14 "
        "days ahead through the travel portal; trips that are booked later need a reason.",
        "Take the train for journeys of less than five hours. Flights are booked in economy class; premium economy is "
        "allowed for flights of more than eight hours.",
    )),
    ("Hotels and meals", (
        "Meals are covered by a daily allowance, so no receipts for meals are needed. Hotels are paid up to the limit below.",
        (
            ("Destination", "Daily allowance (EUR)", "Hotel limit per night (EUR)"),
            ("United Kingdom", "48", "165"),
            ("Netherlands", "52", "170"),
            ("Portugal", "41", "130"),
            ("Canada", "58", "190"),
            ("Other countries", "45", "150"),
        ),
        "On the day of departure and on the day of return half of the allowance is paid.",
    )),
    ("Cars", (
        "The mileage rate for a private car is 0.38 euros per kilometre. Rental cars are of the compact class; full insurance "
        "is part of our contract with the rental company, so do not buy it again at the desk.",
    )),
    ("Claiming expenses", (
        "Submit claims within 30 days of the end of the trip. Claims of up to 500 euros are approved by your manager, larger "
        "ones also by the finance team. Receipts are needed for everything over 15 euros. Claims approved by Wednesday are "
        "paid on the Friday of the same week.",
        "The company card is for travel only. Its monthly limit is 2,500 euros. Report a lost card to the finance hotline, "
        "+44 113 496 0125, at any hour.",
    )),
)  # fmt: skip

SECURITY = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>IT and Security Guide</title>
<meta name="author" content="Daniel Achterberg">
<meta name="date" content="2026-01-12">
<style>body { font-family: sans-serif; max-width: 42rem; margin: 2rem auto; } td, th { padding: .2rem .8rem; text-align: left; }</style>
</head>
<body>
<nav><a href="#passwords">Passwords</a> <a href="#devices">Devices</a> <a href="#incidents">Incidents</a></nav>
<h1>IT and Security Guide</h1>
<p>This guide applies to everybody who uses a computer of Tarnholm Instruments. Daniel Achterberg, head of IT, keeps it up to date.</p>
<h2 id="passwords">Passwords and sign-in</h2>
<p>Passwords have at least 14 characters. They do not expire, but must be changed when they may have leaked. Sign-in always needs
a second factor: the authenticator app or a hardware key. Text messages are not accepted as a second factor.</p>
<p>Five wrong attempts lock an account for 20 minutes. The service desk never asks for a password.</p>
<h2 id="devices">Devices</h2>
<ul>
<li>Laptops are replaced every four years, phones every three.</li>
<li>Disks are encrypted. The screen locks after five minutes.</li>
<li>Updates are installed within seven days, critical ones within 48 hours.</li>
<li>Private devices may use the guest network only, which is called <b>tarn-guest</b>.</li>
</ul>
<h2>Data classes</h2>
<table>
<tr><th>Class</th><th>Example</th><th>May be shared with</th><th>Kept for</th></tr>
<tr><td>Public</td><td>Brochures</td><td>Everybody</td><td>No limit</td></tr>
<tr><td>Internal</td><td>This guide</td><td>Employees</td><td>5 years</td></tr>
<tr><td>Confidential</td><td>Customer contracts</td><td>Named teams</td><td>10 years</td></tr>
<tr><td>Secret</td><td>Sensor designs</td><td>Named persons</td><td>25 years</td></tr>
</table>
<h2 id="incidents">Incidents</h2>
<p>Report a lost device, a suspicious message or a leak within one hour to the service desk: telephone extension 4477, or
security@tarnholm.example. Outside office hours the extension reaches the engineer on call. Do not switch off a computer that
you suspect; disconnect it from the network.</p>
<h2>Backups</h2>
<p>Shared drives are backed up every night at 02:00 and the copies are kept for 90 days. Files on the desktop of a laptop are not
backed up. A restore is requested at the service desk and usually takes less than four hours.</p>
</body>
</html>
"""

ONBOARDING = """---
title: Your First Ninety Days
author: Amara Lindqvist
date: 2026-01-12
---

# Your first ninety days

Welcome to Tarnholm Instruments. This page says what happens in your first three months and whom to ask.

## Before you start

Your laptop is sent to you five working days before your first day. The people team needs your bank details and a copy of
your passport by then; upload them in the people portal.

## Week one

1. Day one begins at 9:15 at the reception of your site. Your buddy meets you there.
2. On day two you take the safety course. It takes three hours, and nobody enters the production hall without it.
3. On day three you meet your manager to agree on three goals for your probation.
4. On Friday at 14:00 all newcomers have tea with Ingrid Solheim.

## Your buddy

A buddy is a colleague from another team who answers every question for the first eight weeks. The company pays for a lunch
with your buddy once a month, up to 25 euros for each of you.

## Conversations

| When | With whom | About what |
|---|---|---|
| End of week 2 | Manager | First impressions |
| Day 45 | Manager and people team | Goals, halfway |
| Day 90 | Manager | What comes next |
| Month 4 | Head of department | End of probation |

## Clean room

The clean room in Leeds is of ISO class 6. You need the training *CR-2*, which is held on the first Thursday of each month and
is valid for two years. Perfume and make-up are not allowed inside.

## Whom to ask

- Pay, leave and contracts: people@tarnholm.example
- Laptop, phone and accounts: extension 4477
- Building, badges and parking: facilities@tarnholm.example
- Anything else: your buddy
"""

SERVICE = """# Service and warranty of the Meridian balances

For customers and for the colleagues who answer them. Version of 12 January 2026.

## Warranty

Every Meridian balance has a warranty of 36 months from the date of delivery. The weighing cell is covered for 60 months. The
warranty does not cover damage by liquids, by voltage peaks, or by opening the housing.

## Calibration

A balance is calibrated every twelve months. Calibration at our laboratory in Rotterdam costs 240 euros and takes six working
days; calibration on site costs 390 euros and is done within three hours. Certificates are issued under ISO/IEC 17025.

## Warming up

A balance shows its full precision after it was switched on for 90 minutes. The room should be at 18 to 24 degrees Celsius and
at 40 to 60 percent humidity.

## Error codes

| Code | Meaning | What to do |
|---|---|---|
| E04 | Overload | Take the load off; the Meridian 220 carries 220 g at most |
| E11 | Draught shield open | Close it and wait ten seconds |
| E17 | Weighing cell not locked | Turn the transport screw to the left |
| E23 | Internal weight stuck | Call the service |

## Reaching the service

Telephone +44 113 496 0170, Monday to Friday from 8:00 to 18:00 British time. A spare balance is lent free of charge when a
repair takes more than ten working days. Repairs outside the warranty cost 95 euros per hour.
"""

SITES = """site,country,address,opened,employees,site manager,telephone,parking spaces
Leeds,United Kingdom,"14 Calder Wharf, Leeds LS10 1QN",2009-05-04,214,Oliver Brandt,+44 113 496 0100,120
Rotterdam,Netherlands,"Maashaven 88, 3072 AE Rotterdam",2013-09-16,97,Sanne de Wit,+31 10 555 0142,45
Porto,Portugal,"Rua do Freixo 310, 4300-217 Porto",2018-02-19,63,Teresa Amaral,+351 22 555 0187,30
Toronto,Canada,"75 Saulter Street, Toronto ON M4M 3K8",2021-11-01,38,Priya Raman,+1 416 555 0163,12
"""


class Handbook(FPDF):
    """A4 with a running head and page numbers."""

    def header(self) -> None:
        if self.page_no() > 1:
            self.set_font("Helvetica", "", 8)
            self.cell(0, 6, f"{COMPANY} - Employee Handbook 2026", align="R", new_x="LMARGIN", new_y="NEXT")
            self.ln(4)

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("Helvetica", "", 8)
        self.cell(0, 6, f"Page {self.page_no()}", align="C")

    def title_page(self) -> None:
        self.add_page()
        self.ln(70)
        self.set_font("Helvetica", "B", 26)
        self.cell(0, 14, "Employee Handbook", new_x="LMARGIN", new_y="NEXT")
        self.set_font("Helvetica", "", 13)
        self.cell(0, 9, COMPANY, new_x="LMARGIN", new_y="NEXT")
        self.set_font("Helvetica", "", 11)
        self.ln(6)
        self.multi_cell(
            0, 6, "Valid from 12 January 2026. This edition replaces the one of 2024.", new_x="LMARGIN", new_y="NEXT"
        )

    def chapter(self, title: str, sections: Sequence[Section]) -> None:
        self.add_page()
        self.set_font("Helvetica", "B", 17)
        self.cell(0, 10, title, new_x="LMARGIN", new_y="NEXT")
        for heading, contents in sections:
            self.ln(3)
            self.set_font("Helvetica", "B", 12)
            self.cell(0, 8, heading, new_x="LMARGIN", new_y="NEXT")
            for content in contents:
                if isinstance(content, str):
                    self.set_font("Helvetica", "", 11)
                    self.multi_cell(0, 5.5, content, align="L", new_x="LMARGIN", new_y="NEXT")
                    self.ln(2.5)
                else:
                    self.data_table(content)

    def data_table(self, rows: Table) -> None:
        self.set_font("Helvetica", "", 10)
        with self.table(width=150, align="LEFT", line_height=6, borders_layout="HORIZONTAL_LINES") as table:
            for row in rows:
                table.row(row)
        self.ln(4)


def write_handbook(path: Path) -> None:
    pdf = Handbook(format="A4")
    pdf.set_margins(25, 20)
    pdf.set_auto_page_break(True, 22)
    pdf.set_title("Employee Handbook")
    pdf.set_author("Amara Lindqvist")
    pdf.set_lang("en")
    pdf.set_creation_date(DATE)
    pdf.title_page()
    for title, sections in HANDBOOK:
        pdf.chapter(title, sections)
    path.write_bytes(bytes(pdf.output()))


def write_travel(path: Path) -> None:
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.comments = "Travel and Expenses", "Yusuf Hartmann", ""
    properties.created = properties.modified = DATE.replace(tzinfo=None)
    document.add_heading("Travel and Expenses", 0)
    document.add_paragraph(f"{COMPANY}. Valid from 12 January 2026. Questions: Yusuf Hartmann, finance team.")
    for heading, contents in TRAVEL:
        document.add_heading(heading, 1)
        for content in contents:
            if isinstance(content, str):
                document.add_paragraph(content)
                continue
            table = document.add_table(len(content), len(content[0]), style="Light Grid Accent 1")
            for row, values in zip(table.rows, content, strict=True):
                for cell, value in zip(row.cells, values, strict=True):
                    cell.text = value
    packed = io.BytesIO()
    document.save(packed)
    path.write_bytes(_without_times(packed.getvalue()))


def _without_times(package: bytes) -> bytes:
    """The same ZIP package with the time of every entry set to `DATE`."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            info = zipfile.ZipInfo(entry.filename, DATE.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, source.read(entry))
    return out.getvalue()


def main() -> None:
    SAMPLES.mkdir(parents=True, exist_ok=True)
    write_handbook(SAMPLES / "employee-handbook.pdf")
    write_travel(SAMPLES / "travel-and-expenses.docx")
    texts = {
        "it-and-security.html": SECURITY,
        "first-ninety-days.md": ONBOARDING,
        "service-and-warranty.md": SERVICE,
        "sites.csv": SITES,
    }
    for name, text in texts.items():
        (SAMPLES / name).write_text(text, encoding="utf-8", newline="\n")
    for path in sorted(SAMPLES.iterdir()):
        if path.is_file():
            print(f"{path.stat().st_size:>8,}  {path.name}")


if __name__ == "__main__":
    main()
