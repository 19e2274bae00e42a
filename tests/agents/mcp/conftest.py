import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from programs import Program


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)
