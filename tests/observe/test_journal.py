"""The journal on a disk that fills up, and after kills."""

import errno
import os

import pytest

from guru.observe import journal
from guru.observe.journal import Begun, read_all
from guru.observe.spans import Trace, TraceRecord


def begun(number):
    return Begun(id=f"tr_{number}", tenant="local", route="chat", started_at=float(number))


def ended(number):
    return Trace(f"tr_{number}", "local", "chat").record()


class Disk:
    """Writes like `os`, with room for so many bytes."""

    def __init__(self, room):
        self.room = room

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, file, data):
        fits = min(len(data), self.room)
        if not fits:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= fits
        return os.write(file, data[:fits])

    def ftruncate(self, file, size):
        self.room += os.fstat(file).st_size - size
        os.ftruncate(file, size)


@pytest.mark.parametrize("room", [0, 1, 40, 150, 333])
def test_a_line_that_did_not_fit_takes_no_other_with_it(tmp_path, monkeypatch, caplog, room):
    segment = journal.new_segment(tmp_path)
    monkeypatch.setattr(journal, "os", disk := Disk(room))
    told = set()
    for number in range(4):
        for record in (begun(number), ended(number)):
            try:
                segment.append(record)
            except OSError:
                disk.room += 1_000_000  # somebody makes room, after the line that did not fit
            else:
                told.add((record.id, type(record)))
    segment.close()
    found = read_all(segment.path)
    assert len(told) == 7
    assert set(found) == {name for name, _ in told}
    whole = {name for name, record in found.items() if record.status == "ok"}
    assert whole == {name for name, kind in told if kind is TraceRecord}
    assert "damaged" not in caplog.text


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path, caplog):
    segment = journal.new_segment(tmp_path)
    for number in range(3):
        segment.append(begun(number))
        segment.append(ended(number))
    size = segment.size
    segment.append(ended(3))
    for end in range(size, segment.size):
        os.ftruncate(segment.file, end)
        assert set(read_all(segment.path)) == {"tr_0", "tr_1", "tr_2"}
    assert "damaged" not in caplog.text
    segment.close()
