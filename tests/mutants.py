"""The guards that matter, each with what a hurried hand might write in its place and the test that then goes red.

Rules: `text` stands once in its file; `instead` takes its place; `test` is what has to fail, as pytest names it. Mistakes that
no change of one place makes (a write in another transaction, a disk that lies) are tests of their own, of power_faults.py and
model_faults.py. `make mutants` runs all of these; that each still has its place is seen by every run of the tests.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A guard, where it stands, and who misses it."""

    guard: str
    file: str
    text: str
    instead: str
    test: str


MUTANTS = (
    # -- the log
    Mutant(
        "a commit is on the disk before it is acknowledged",
        "connectors/log_sqlite_file.py", '"PRAGMA synchronous=FULL"', '"PRAGMA synchronous=NORMAL"',
        "tests/test_power.py::test_what_the_log_acknowledged_survives_every_power_loss",
    ),
    Mutant(
        "the archive's file is on the disk before rows go",
        "connectors/archive_file.py", "os.fsync(file.fileno())", "pass",
        "tests/test_power.py::test_log_and_archive_together_have_everything_after_every_power_loss",
    ),
    Mutant(
        "an archived file is what the log has",
        "connectors/archive_make.py",
        "if found != list(records[at : at + len(found)]) or not _holds(group, found):", "if False:",
        "tests/test_archive.py::test_a_file_that_does_not_come_back_as_it_was_is_not_made",
    ),
    Mutant(
        "only a file of this log's own records is entered",
        "connectors/log_sqlite_writer.py",
        'if self._value("SELECT chain FROM record WHERE position = ?", (sealed.last,)) != sealed.chain:', "if False:",
        "tests/test_archive.py::test_a_file_of_other_records_is_not_entered",
    ),
    Mutant(
        "an id comes into the log once",
        "connectors/identity.py", "keep.append(earlier is None)", "keep.append(True)",
        "tests/test_log_conformance.py",
    ),
    Mutant(
        "a frame that overlaps what is known is trimmed",
        "connectors/identity.py", "if low > self._shelf.highest(stem):", "if True:",
        "tests/test_log_conformance.py",
    ),
    Mutant(
        "another content of a known id is said",
        "connectors/identity.py", "if same:", "if True:",
        "tests/test_log_conformance.py",
    ),
    Mutant(
        "a payload that is not what was written is refused",
        "connectors/identity.py", "if not record.intact():", "if False:",
        "tests/test_log_conformance.py",
    ),
    Mutant(
        "rows that were made of another log are not added to",
        "app/same_log.py", "if self._log.chain(position) not in (chain, None):", "if False:",
        "tests/test_log_regrown.py",
    ),
    Mutant(
        "MQTT is acknowledged by the connector, not by its library",
        "connectors/mqtt_client.py", "self._client.manual_ack_set(True)", "self._client.manual_ack_set(False)",
        "tests/test_source_mqtt.py",
    ),
    # -- workers
    Mutant(
        "n is dense",
        "engine/reader.py", "if record.first_n > mark + 1:", "if False:",
        "tests/test_reader.py::test_a_gap_stops_and_changes_nothing",
    ),
    Mutant(
        "what is known of a derived record is left out",
        "engine/reader.py", "return min(mark + 1 - record.first_n, record.n)", "return 0",
        "tests/test_reader.py",
    ),
    Mutant(
        "positions come without a hole",
        "engine/reader.py", "if last != after + len(records):", "if False:",
        "tests/test_reader.py::test_records_come_without_a_hole",
    ),
    Mutant(
        "an output is sent when its n is above what is known",
        "engine/worker.py", "if output.last_n > known:", "if True:",
        "tests/test_worker.py",
    ),
    Mutant(
        "an output that would leave a gap is not sent",
        "engine/worker.py", "if output.first_n > known + 1:", "if False:",
        "tests/test_worker.py",
    ),
    Mutant(
        "a checkpoint holds only with the record that it stands on",
        "engine/restore.py", "return bool(at) and record_hash(at[0]) == manifest.record_hash", "return True",
        "tests/test_worker.py",
    ),
    Mutant(
        "a checkpoint holds only with its seal",
        "engine/restore.py",
        "return bool(at) and self._own(at[0]) and at[0].kind == SEAL and at[0].cause == manifest.position", "return True",
        "tests/test_worker.py",
    ),
    Mutant(
        "no checkpoint while outputs are ahead of the state",
        "engine/worker.py", "or marks != tenancy.sent:", "or False:",
        "tests/test_worker.py",
    ),
    Mutant(
        "a failure ends the tenancy",
        "engine/worker.py", "tenancy, self._tenancy = self._tenancy, None", "tenancy = self._tenancy",
        "tests/test_worker.py",
    ),
    Mutant(
        "what was fetched before a rebalance is not folded after it",
        "app/kafka_host.py", "return generation != self._generation", "return False",
        "tests/test_kafka_faults.py::test_what_was_fetched_before_a_rebalance_is_not_folded_after_it",
    ),
    Mutant(
        "what of a backlog was a repeat stays one when it waits again",
        "engine/worker.py", "return lot.hold(record, why, at.position, keep)", "return lot.hold(record, why, at.position, None)",
        "tests/test_parking_repeats.py",
    ),
    Mutant(
        "what comes after a parked event waits",
        "engine/worker.py", "elif why or record.machine in lot.parked:", "elif why:",
        "tests/test_parking.py",
    ),
    # -- rows
    Mutant(
        "a stale writer writes nothing",
        "projections/store_sqlite.py",
        "if (stands.position, dict(stands.marks)) != (expected.position, dict(expected.marks)):", "if False:",
        "tests/test_store_conformance.py",
    ),
    Mutant(
        "rows and place go together",
        "projections/store_sqlite.py", "with unit(self._connection):", "if True:",
        "tests/test_store_conformance.py",
    ),
    Mutant(
        "rows of a newer time stay",
        "projections/store_sqlite.py",
        "stands = not_older(statement.excluded, table.c, newest) if newest else None", "stands = None",
        "tests/test_store_conformance.py",
    ),
    Mutant(
        "a signal's clocks are not sorted against each other",
        "projections/views.py", "sa.select(sa.func.max(other.c.position))", "sa.select(sa.func.min(other.c.position))",
        "tests/test_projections.py::test_between_two_clocks_the_later_in_the_log_stands",
    ),
    Mutant(
        "history of another clock does not stand over what is live",
        "projections/views.py", "other.c.t_ns >= latest - AHEAD_MAX", "other.c.t_ns >= 0",
        "tests/test_projections.py::test_history_of_another_clock_does_not_stand_over_what_is_live",
    ),
    # -- REST
    Mutant(
        "a tag hangs on the place of the rows",
        "app/api_tag.py", "query, place, origin,", "query,",
        "tests/test_api_times.py::test_a_tag_changes_when_the_answer_does_and_not_before",
    ),
    Mutant(
        "a tag hangs on the clock where its answer does",
        "app/api_tag.py", "here.clock() if by_clock else None", "None",
        "tests/test_api_times.py::test_an_answer_that_runs_with_the_clock_is_a_new_one_each_time",
    ),
    Mutant(
        "what was caused later was not known",
        "app/known_rows.py", "WHERE cause <= ? AND", "WHERE cause >= 0 * ? AND",
        "tests/test_api_times.py::test_what_was_known_is_what_a_shorter_log_says",
    ),
    # -- figures
    Mutant(
        "of two edits of one stop the second is told so",
        "topologies/stops.py", "accepted=not outdated,", "accepted=True,",
        "tests/test_stops.py",
    ),
    Mutant(
        "clocks are not sorted against each other",
        "topologies/clocks.py",
        "unanswered = silent & ((position > came) | (heard > arrived))", "unanswered = silent & (t > newest)",
        "tests/test_oee_clocks.py",
    ),
    Mutant(
        "a stop that goes on is as long as it was seen",
        "app/oee_closed.py", "(a, min(b, latest))", "(a, b)",
        "tests/test_oee_shifts.py::test_a_stop_that_goes_on_at_the_end_is_as_long_as_it_was_seen",
    ),
    Mutant(
        "an episode is whole where a report begins inside it",
        "projections/shift_rows.py", "rows.insert(0, row)", "break",
        "tests/test_oee_shifts.py::test_an_episode_is_whole_where_a_report_begins_inside_it",
    ),
    Mutant(
        "what comes from the future is not taken",
        "schemas/line.py", "AHEAD_MAX = 5 * MINUTE", "AHEAD_MAX = 10**9 * MINUTE",
        "tests/test_ingest.py",
    ),
    # -- many frames at once
    Mutant(
        "a frame of minutes that were emitted is folded apart from those in order",
        "topologies/oee.py", "if record.t_min < floor:", "if False:",
        "tests/test_stack.py::test_frames_fold_together_as_one_by_one",
    ),
    Mutant(
        "only frames of one header are read as one",
        "schemas/stack.py", "len(payload) != size or not payload.startswith(beginning)", "len(payload) != size",
        "tests/test_stack.py::test_a_stack_has_the_readings_of_its_frames",
    ),
    Mutant(
        "only messages with the same headers are taken apart together",
        "connectors/kafka_records.py", "if names.count(name) < len(names):", "if False:",
        "tests/test_stack.py::test_records_of_many_messages_are_those_of_each",
    ),
    # -- for analysts
    Mutant(
        "a window cuts frames",
        "app/wanted.py", "keep &= t >= self.start", "pass",
        "tests/test_export.py::test_a_window_cuts_frames",
    ),
    Mutant(
        "a missing value is null",
        "app/arrow_readings.py", "mask = None if whole else", "mask = None if True else",
        "tests/test_export.py::test_a_reading_is_a_row_with_a_column_a_signal_and_nothing_is_rounded",
    ),
    Mutant(
        "rows stand in the order of the log",
        "app/arrow_events.py", 'np.argsort(order, kind="stable")', "np.arange(len(order))",
        "tests/test_export.py::test_a_reading_is_a_row_with_a_column_a_signal_and_nothing_is_rounded",
    ),
    Mutant(
        "an overridden definition holds where the old one did",
        "app/what_if.py", "version = newest[each.name] = newest[each.name] + 1", "version = each.version",
        "tests/test_what_if.py::test_the_folder_says_what_was_overridden_and_the_old_versions_are_there",
    ),
    Mutant(
        "settings that people made are overridden too",
        "app/what_if.py", 'if not settings or record.type != "model.set" or not record.intact():', "if True:",
        "tests/test_what_if.py::test_a_model_setting_changes_alarms",
    ),
    Mutant(
        "overrides stand in the log once",
        "app/replay_into.py", "if not self._replay.read:", "if True:",
        "tests/test_what_if.py::test_an_interrupted_what_if_goes_on",
    ),
    Mutant(
        "models that one side does not fold are not compared",
        "app/folder_diff.py", "if any(name not in each for each in folded)", "if False",
        "tests/test_what_if.py::test_diff_leaves_out_what_one_side_does_not_fold",
    ),
    Mutant(
        "running sums begin where the frame before ended",
        "connectors/archive_said.py", "[0, *column[ends[:-1] - 1].tolist()]", "[0] * len(frames)",
        "tests/test_duckdb.py::test_values_are_those_that_were_read_to_the_bit",
    ),
    # -- rebuilt rows, and those in a database of the plant's own
    Mutant(
        "rebuilt rows are put in place where the live ones are",
        "app/rebuild.py", "return live.position == rebuilt.position", "return True",
        "tests/test_rebuild.py::test_rows_that_are_written_between_the_last_look_and_the_swap_are_not_lost",
    ),
    Mutant(
        "every connection reads the list of tables again",
        "projections/beside_sqlite.py", "PRAGMA schema_version = {version + 1}", "PRAGMA schema_version = {version}",
        "tests/test_rebuild.py::test_a_connection_that_was_open_sees_the_rows_that_were_put_in_place",
    ),
    Mutant(
        "indices are put in place with their table",
        "projections/beside_sqlite.py",
        'found += [(str(index.name), f"{REBUILT}_{index.name}") for index in metadata.tables[live].indexes]', "pass",
        "tests/test_rebuild.py::test_indices_are_those_of_the_rows_that_were_put_in_place",
    ),
    Mutant(
        "rows that differ are not put in place unasked",
        "app/rebuild.py", "if differences and not differing:", "if False:",
        "tests/test_rebuild.py::test_rows_that_somebody_changed_are_shown_and_replaced_when_told_to",
    ),
    Mutant(
        "rows of another release are not gone on with",
        "projections/store_sqlite.py", 'return f"{REBUILT}_{projection}@{maker}"', 'return f"{REBUILT}_{projection}@"',
        "tests/test_rebuild.py::test_rows_of_another_release_are_not_gone_on_with",
    ),
    Mutant(
        "a database of another plant's log is refused",
        "app/sql_origin.py",
        "if now.at and self._log.chain(now.at) not in (bytes.fromhex(now.chain), None):", "if False:",
        "tests/test_sql_feed.py::test_one_of_another_plant_is_refused_however_long_its_log",
    ),
    Mutant(
        "a database that is ahead of the log is refused",
        "app/sql_origin.py", "if now.reached > end:", "if False:",
        "tests/test_sql_feed.py::test_one_that_is_ahead_of_the_log_is_refused_with_an_explanation",
    ),
    Mutant(
        "places in a derived log that is gone are left",
        "app/sql_feed.py",
        "if place.position > self.ends.derived or (place.position and self.origin.derived != self._name):", "if False:",
        "tests/test_sql_feed.py::test_a_read_db_that_is_made_again_moves_nothing_there",
    ),
    Mutant(
        "a file that somebody put in its place is opened again",
        "projections/store_file.py", "if self._opened is None or self._found() != self._file:", "if self._opened is None:",
        "tests/test_sql_feed.py::test_a_database_that_went_back_to_an_older_backup_is_noticed_and_caught_up",
    ),
)  # fmt: skip
