"""Assertions of the shared suite are explained like those of any test."""

import pytest

pytest.register_assert_rewrite("models.providers.conformance", "models.providers.openai_suite")
