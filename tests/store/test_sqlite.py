from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import make_url

from guru.store.sqlite import create_engine


def test_all_that_open_a_new_file_at_once_get_it(tmp_path):
    """One of eight found it locked in every eighth file."""

    def journal(url):
        engine = create_engine(url, connections=1)
        with engine.connect() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        engine.dispose()
        return mode

    with ThreadPoolExecutor(8) as together:
        for n in range(100):
            url = make_url(f"sqlite:///{tmp_path}/{n}.db")
            assert set(together.map(journal, [url] * 8)) == {"wal"}
