"""The configuration is found, read and validated once, and says where it is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuiq.config import DAY, HOUR, MEBIBYTE, kinds, load, settings, split_host_port
from tuiq.config.settings import host_name
from tuiq.config.writer import effective, template
from tuiq.errors import ConfigError

MINIMAL = '[spool]\nqueues = "q.*"\n'


def write(path: Path, text: str = MINIMAL) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refused(tmp_path: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path / "tuiq.toml", text))
    assert str(caught.value).startswith(str(tmp_path / "tuiq.toml"))
    return caught.value


def test_a_minimal_file_gives_defaults_and_paths_relative_to_it(tmp_path: Path) -> None:
    source = write(tmp_path / "tuiq.toml")

    config = load(source)

    assert config.source == source
    assert config.spool.queues == str(tmp_path / "q.*")
    assert config.spool_path == tmp_path
    assert config.delivery.recipients_per_transaction == 50
    assert config.submission.hostname == host_name()


def test_every_spelling_of_a_value_is_understood(tmp_path: Path) -> None:
    text = """
        [spool]
        queues = "/var/spool/tuiq/q.1"
        trash_keep = "1d12h"
        min_free_percent = "2.5 %"
        [submission]
        max_message_bytes = "35MiB"
        aliases = "aliases"
        hostname = ""
        [delivery]
        smarthost = "[2001:db8::1]"
        connect_timeout = 7
        tls_verify = true
        [journal]
        max_bytes = "2M"
        keep = 0
    """
    config = load(write(tmp_path / "tuiq.toml", text))

    assert config.spool.trash_keep == 36 * HOUR
    assert config.spool.min_free_percent == 2.5
    assert config.submission.max_message_bytes == 35 * MEBIBYTE
    assert config.submission.aliases == tmp_path / "aliases"
    assert config.submission.hostname == host_name()
    assert config.delivery.smarthost == "[2001:db8::1]:25"
    assert config.delivery.connect_timeout == 7.0
    assert config.delivery.tls_verify is True
    assert config.journal.max_bytes == 2 * MEBIBYTE
    assert config.journal.keep == 0


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("", "spool", "is missing"),
        ("[spool]\n", "spool.queues", "missing"),
        ("spool = 1\n", "spool", "write [spool]"),
        ("[[spool]]\nqueues = 'q'\n", "spool", "write [spool]"),
        ("[spol]\n", "spol", "did you mean spool?"),
        ("[spool]\nqueue = 'q.*'\n", "spool.queue", "did you mean queues?"),
        (MINIMAL + "zzz = 1\n", "spool.zzz", "known: queues, durability"),
        ("[spool]\nqueues = '*'\n", "spool.queues", "also matches the spool's own"),
        ("[spool]\nqueues = 'run'\n", "spool.queues", "also matches"),
        ("[spool]\nqueues = 'a*/q.1'\n", "spool.queues", "only the last part"),
        ("[spool]\nqueues = ''\n", "spool.queues", "empty"),
        ('[spool]\nqueues = "q\\u0000"\n', "spool.queues", "control characters"),
        ("[spool]\nqueues = 3\n", "spool.queues", "not a string"),
        (MINIMAL + "durability = 'fast'\n", "spool.durability", "none of"),
        (MINIMAL + "trash_keep = '26d'\n", "spool.trash_keep", "the most is 25d"),
        (MINIMAL + "trash_keep = -1\n", "spool.trash_keep", "the least is 0s"),
        (MINIMAL + "trash_keep = '1 day'\n", "spool.trash_keep", "not a duration"),
        (MINIMAL + "trash_keep = nan\n", "spool.trash_keep", "not a duration"),
        (MINIMAL + "trash_keep = true\n", "spool.trash_keep", "not a duration"),
        (MINIMAL + "min_free_bytes = '1 T'\n", "spool.min_free_bytes", "not a size"),
        (MINIMAL + "min_free_bytes = 1.5\n", "spool.min_free_bytes", "not a size"),
        (MINIMAL + "min_free_percent = 51\n", "spool.min_free_percent", "the most is"),
        (
            MINIMAL + "[delivery]\nrecipients_per_transaction = 0\n",
            "delivery.recipients_per_transaction",
            "the least is 1",
        ),
        (MINIMAL + "[delivery]\nconcurrency = 2.0\n", "delivery.concurrency", "whole"),
        (MINIMAL + "[delivery]\ntls_verify = 1\n", "delivery.tls_verify", "neither"),
        (MINIMAL + "[delivery]\nsmarthost = 'a:b'\n", "delivery.smarthost", "host and"),
        (MINIMAL + "[delivery]\nsmarthost = 'a:0'\n", "delivery.smarthost", "port"),
        (MINIMAL + "[delivery]\nsmarthost = '::1'\n", "delivery.smarthost", "host and"),
        (
            MINIMAL + "[delivery]\nsmarthost = 'a b'\n",
            "delivery.smarthost",
            "host name",
        ),
        (
            MINIMAL + "[delivery]\nusername = 'u'\n",
            "delivery.username",
            "needs delivery.password_file",
        ),
        (
            MINIMAL + "[delivery]\npassword_file = 'p'\n",
            "delivery.password_file",
            "needs delivery.username",
        ),
        (
            MINIMAL + "[delivery]\ntls = 'none'\ntls_verify = true\n",
            "delivery.tls_verify",
            "choose another tls",
        ),
        (
            MINIMAL + "[retry]\nmin_backoff = '9h'\n",
            "retry.min_backoff",
            "longer than retry.max_backoff",
        ),
        (MINIMAL + "[bounce]\npostmaster = 'me'\n", "bounce.postmaster", "address"),
        (
            MINIMAL + "[submission]\nhostname = 'a..b'\n",
            "submission.hostname",
            "domain",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_file_key_and_reason(
    tmp_path: Path, text: str, key: str, says: str
) -> None:
    error = refused(tmp_path, text)

    assert error.key == key
    assert says in str(error)


@pytest.mark.parametrize("raw", [b"[spool", b"\xff", b"a = " + b"[" * 20_000])
def test_what_is_not_toml_is_refused_as_such(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "tuiq.toml"
    path.write_bytes(raw)

    with pytest.raises(ConfigError, match="not valid TOML"):
        load(path)


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load("/dev/zero")


def test_a_missing_named_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such file.*tuiq init DIR"):
        load(tmp_path / "absent.toml")


class TestSearch:
    def found(self, tmp_path: Path, **environ: str) -> Path | None:
        home = {"XDG_CONFIG_HOME": str(tmp_path / "home")}
        cwd = tmp_path / "here"
        cwd.mkdir(exist_ok=True)
        return load(environ=home | environ, cwd=cwd).source

    def test_the_environment_comes_before_the_current_directory(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path / "here" / "tuiq.toml")
        named = write(tmp_path / "named.toml")

        assert named == self.found(tmp_path, TUIQ_CONFIG=str(named))

    def test_the_current_directory_comes_before_the_home(self, tmp_path: Path) -> None:
        write(tmp_path / "home" / "tuiq" / "tuiq.toml")
        here = write(tmp_path / "here" / "tuiq.toml")

        assert here == self.found(tmp_path)

    def test_the_home_comes_before_the_system(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        system = write(tmp_path / "etc" / "tuiq.toml")
        monkeypatch.setattr("tuiq.config.loader.SYSTEM_FILE", system)
        home = write(tmp_path / "home" / "tuiq" / "tuiq.toml")

        assert home == self.found(tmp_path)
        home.unlink()
        assert system == self.found(tmp_path)

    def test_without_any_file_the_remedy_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tuiq.config.loader.SYSTEM_FILE", tmp_path / "none.toml")

        with pytest.raises(ConfigError, match="tuiq init DIR"):
            self.found(tmp_path)

    def test_a_named_file_that_is_absent_is_not_passed_over(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path / "here" / "tuiq.toml")

        with pytest.raises(ConfigError, match="no such file"):
            self.found(tmp_path, TUIQ_CONFIG=str(tmp_path / "absent.toml"))

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    @pytest.mark.parametrize(("uid", "mode"), [(1234, 0o600), (0, 0o666), (0, 0o664)])
    def test_root_refuses_a_file_in_the_way_that_others_can_change(
        self, tmp_path: Path, uid: int, mode: int
    ) -> None:
        planted = write(tmp_path / "here" / "tuiq.toml")
        planted.chmod(mode)
        os.chown(planted, uid, -1)

        with pytest.raises(ConfigError, match="chown root"):
            self.found(tmp_path)
        load(planted)  # named on purpose: no objection

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    def test_root_refuses_a_link_in_the_way_that_somebody_else_made(
        self, tmp_path: Path
    ) -> None:
        target = write(tmp_path / "good.toml")
        (tmp_path / "here").mkdir()
        link = tmp_path / "here" / "tuiq.toml"
        link.symlink_to(target)
        os.chown(link, 1234, -1, follow_symlinks=False)

        with pytest.raises(ConfigError, match="chown root"):
            self.found(tmp_path)


class TestWriting:
    def test_the_template_reads_back_as_the_defaults(self, tmp_path: Path) -> None:
        text = template({("spool", "queues"): "q.*"})

        commented = load(write(tmp_path / "tuiq.toml", text))
        plain = load(write(tmp_path / "minimal.toml"))

        for section in settings.SECTIONS:
            assert getattr(commented, section) == getattr(plain, section)

    def test_every_commented_setting_is_valid_once_its_mark_is_gone(
        self, tmp_path: Path
    ) -> None:
        text = template({("spool", "queues"): "q.*"})
        live = "\n".join(
            line[1:] if line.startswith("#") and line[1:2] != " " else line
            for line in text.splitlines()
        )

        config = load(write(tmp_path / "tuiq.toml", live))

        assert len(effective(config)) == len(config.given)
        assert config.retry.lifetime == 5 * DAY

    def test_effective_values_say_where_they_come_from(self, tmp_path: Path) -> None:
        source = write(tmp_path / "tuiq.toml", MINIMAL + "[retry]\nlifetime = '2d'\n")
        rows = {(e.section, e.key): e for e in effective(load(source))}

        assert rows["retry", "lifetime"].value == '"2d"'
        assert rows["retry", "lifetime"].where == str(source)
        assert rows["retry", "max_backoff"].value == '"8h"'
        assert rows["retry", "max_backoff"].where == "default"


@given(st.integers(0, int(25 * DAY)))
def test_a_duration_reads_back_as_it_is_written(seconds: int) -> None:
    shown = kinds.show_duration(seconds)

    assert seconds == kinds.duration().parse(shown, Path())


@given(st.integers(0, 1 << 50))
def test_a_size_reads_back_as_it_is_written(size: int) -> None:
    assert size == kinds.size().parse(kinds.show_size(size), Path())


@given(st.text())
def test_host_and_port_are_split_or_refused(text: str) -> None:
    try:
        host, port = split_host_port(text)
    except ValueError:
        return
    assert host
    assert 1 <= port <= 65535


class TestHostName:
    @pytest.fixture(autouse=True)
    def uncached(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = os.uname_result(("Linux", "box", "6", "1", "x86_64"))
        monkeypatch.setattr(os, "uname", lambda: names)

    def test_the_hosts_file_qualifies_a_short_name(self, tmp_path: Path) -> None:
        hosts = write(
            tmp_path / "hosts",
            "127.0.0.1 localhost.localdomain localhost\n"
            "# 10.0.0.1 box.commented.example box\n"
            "10.0.0.2 other.example boxer\n"
            "10.0.0.3 box.example.org box\n",
        )
        assert host_name(hosts) == "box.example.org"

    def test_without_help_the_short_name_has_to_do(self, tmp_path: Path) -> None:
        assert host_name(tmp_path / "absent") == "box"
