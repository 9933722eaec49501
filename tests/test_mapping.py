"""Mapping: what a payload or a value says becomes exact events with stable ids, or one clear refusal."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import msgspec
import pytest
import yaml

from tailrace.connectors.jsonpath import ABSENT, Path, numbers
from tailrace.connectors.mapping import Mapper, Said, by_content, by_message, by_sequence, run_of
from tailrace.connectors.mqtt_settings import MqttSettings
from tailrace.connectors.mqtt_topics import Machine, filter_of
from tailrace.connectors.opcua_settings import OpcUaSettings
from tailrace.connectors.payload import Payload, PayloadSettings, decode
from tailrace.connectors.terms import Words
from tailrace.schemas import codec
from tailrace.schemas.errors import InvalidEvent
from tailrace.schemas.event import AnyEvent, PartsCounted, ProductChanged, StateChanged, Telemetry
from tailrace.schemas.instant import DAY, SECOND, Instant, parse_instant

NOW = int(parse_instant("2026-11-22T12:00:00Z"))
T = 1_795_348_800  # a minute before NOW


def payload(**mapping: Any) -> Payload:
    return Payload(msgspec.convert(mapping, PayloadSettings), "shop")


def said(reader: Payload, raw: bytes) -> Said:
    return reader.said(decode(raw), "M1", None, NOW)


def events(mapper: Mapper, one: Said) -> list[AnyEvent]:
    return mapper.events(one, by_content("shop"), NOW)


# -- paths ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", {"a": {"b": [1, {"c": 2}]}, "x y": 3, "n": None}),
        ("$.a.b[0]", 1),
        ("$.a.b[1].c", 2),
        ("$['x y']", 3),
        ('$["a"].b[0]', 1),
        ("$.n", None),
        ("$.none", ABSENT),
        ("$.a.b[2]", ABSENT),
        ("$.a.b.c", ABSENT),
        ("$.a[0]", ABSENT),
        ("$.n.deeper", ABSENT),
    ],
)
def test_a_path_finds_its_place_or_nothing(path: str, found: Any) -> None:
    assert Path(path).find({"a": {"b": [1, {"c": 2}]}, "x y": 3, "n": None}) == found


@pytest.mark.parametrize("path", ["temp", "", "$temp", "$.", "$..a", "$.*", "$.a[", "$.a[-1]", "$.a[b]", "$. a"])
def test_a_path_that_is_none_is_refused_with_its_text(path: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*path") as caught:
        Path(path)
    assert repr(path) in str(caught.value)


def test_every_number_is_found_by_its_keys() -> None:
    document = {"a": 1, "b": {"c": 2.5, "d": {"e": 3}}, "flag": True, "text": "4", "list": [5], "none": None}
    assert dict(numbers(document)) == {"a": 1, "b.c": 2.5, "b.d.e": 3}


# -- payloads ------------------------------------------------------------------------------------------------------------


def test_a_payload_says_everything_that_is_mapped() -> None:
    reader = payload(
        time={"path": "$.ts", "unit": "ms"}, state={"path": "$.s", "map": {0: "stopped", 1: "running"}}, good="$.ok",
        reject="$.nok", counters={"total": "$.n"}, product="$.p", ideal_cycle_s={"P1": 1.5},
        values={"T": "$.t[0]", "On": "$.on", "Lot": {"path": "$.lot", "type": "text"}, "Gone": "$.gone"},
    )  # fmt: skip
    one = said(
        reader, b'{"ts":1795348800123.5,"s":1.0,"ok":2,"nok":0,"n":17.0,"p":"P1","t":[20.5],"on":true,"lot":"L9","x":1}'
    )
    assert one == Said(
        machine="M1", t=Instant(T * SECOND + 123_500_000), clock="shop", state="running", product="P1",
        cycle=msgspec.structs.asdict(one)["cycle"], values={"T": 20.5, "On": True, "Lot": "L9"},
        counters={"total": 17}, parts={"good": 2, "reject": 0},
    )  # fmt: skip
    assert one.cycle == 1_500_000_000


@pytest.mark.parametrize(
    ("unit", "number", "ns"),
    [
        ("s", "1795348800", T * SECOND),
        ("s", "1795348800.25", T * SECOND + 250_000_000),
        ("s", '"2026-11-22T12:00:00.123456789+00:00"', T * SECOND + 123_456_789),
        ("s", '"2026-11-22T13:00:00+01:00"', T * SECOND),
        ("ms", "1795348800250", T * SECOND + 250_000_000),
        ("us", "1795348800000001", T * SECOND + 1000),
        ("ns", "1795348800000000001", T * SECOND + 1),
        ("ms", '"2026-11-22T12:00:00Z"', T * SECOND),
    ],
)
def test_time_is_exact_in_every_unit(unit: str, number: str, ns: int) -> None:
    reader = payload(time={"path": "$.ts", "unit": unit}, values={"a": "$.a"})
    assert said(reader, f'{{"ts":{number},"a":1}}'.encode()).t == ns


def test_without_a_mapped_time_it_is_the_arrival_by_our_own_clock() -> None:
    one = said(payload(values={"a": "$"}), b"23.5")
    assert (one.t, one.clock, one.values) == (NOW, "tailrace", {"a": 23.5})


def test_a_blank_product_and_a_cycle_of_zero_say_nothing() -> None:
    one = said(payload(product="$.p", ideal_cycle_s="$.c", values={"a": "$.a"}), b'{"p":" ","c":0,"a":1}')
    assert (one.product, one.cycle, one.values) == (None, None, {"a": 1})


def test_a_null_is_a_bad_value_and_never_a_number() -> None:
    one = said(payload(values={"a": "$.a", "b": "$.b"}), b'{"a":null,"b":1}')
    assert (one.values, one.quality) == ({"b": 1}, {"a": "bad"})


def test_every_number_leaves_out_what_something_else_uses() -> None:
    reader = payload(time="$.ts", sequence="$.seq", counters={"total": "$.n.total"}, values="*")
    one = said(reader, b'{"ts":1795348800,"seq":4,"n":{"total":7,"rate":1.5},"temp":20}')
    assert (one.values, one.counters) == ({"n.rate": 1.5, "temp": 20}, {"total": 7})


STRICT: dict[str, Any] = {
    "time": "$.ts", "sequence": "$.seq", "session": "$.boot", "state": {"path": "$.s", "map": {0: "stopped"}},
    "good": "$.good", "counters": {"total": "$.n"}, "product": "$.p", "ideal_cycle_s": "$.c", "values": {"T": "$.t"},
}  # fmt: skip
HEAD = b'{"ts":1795348800,"seq":1,"boot":"b",'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "expected JSON"),
        (b"not json", "expected JSON"),
        (b'{"ts":1795348800', "expected JSON"),
        (b'{"t":\xff}', "expected JSON"),
        (HEAD + b'"t":NaN}', "expected JSON"),
        (HEAD + b'"t":1e999}', "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b'{"seq":1,"boot":"b","t":1}', "$.ts: expected a value"),
        (b'{"ts":null,"seq":1,"boot":"b","t":1}', "$.ts: expected a value"),
        (b'{"ts":"yesterday","seq":1,"boot":"b","t":1}', "$.ts: expected a time as ISO 8601 with offset"),
        (b'{"ts":"2026-11-22T12:00:00","seq":1,"boot":"b","t":1}', "$.ts: expected a time as ISO 8601 with offset"),
        (b'{"ts":1795348800000,"seq":1,"boot":"b","t":1}', "unit: ms"),
        (b'{"ts":-5,"seq":1,"boot":"b","t":1}', "1970 to 2200"),
        (b'{"ts":true,"seq":1,"boot":"b","t":1}', "$.ts: expected"),
        (b'{"ts":1e300,"seq":1,"boot":"b","t":1}', "$.ts: expected"),
        (b'{"ts":1795348800,"boot":"b","t":1}', "$.seq: expected a value"),
        (b'{"ts":1795348800,"seq":-1,"boot":"b","t":1}', "$.seq: expected a sequence"),
        (b'{"ts":1795348800,"seq":1.5,"boot":"b","t":1}', "$.seq: expected a whole number"),
        (b'{"ts":1795348800,"seq":"1","boot":"b","t":1}', "$.seq: expected a whole number"),
        (b'{"ts":1795348800,"seq":1e30,"boot":"b","t":1}', "$.seq: expected a sequence"),
        (b'{"ts":1795348800,"seq":1,"t":1}', "$.boot: expected a value"),
        (b'{"ts":1795348800,"seq":1,"boot":"","t":1}', "$.boot: expected a session"),
        (b'{"ts":1795348800,"seq":1,"boot":{},"t":1}', "$.boot: expected a session"),
        (HEAD + b'"s":7}', "$.s: expected a state among ['0']"),
        (HEAD + b'"s":[0]}', "$.s: expected a state"),
        (HEAD + b'"good":1.5}', "$.good: expected a whole number"),
        (HEAD + b'"good":true}', "$.good: expected a whole number"),
        (HEAD + b'"good":"1"}', "$.good: expected a whole number"),
        (HEAD + b'"good":1e15}', "parts in good"),
        (HEAD + b'"n":-1}', "counter 'total'"),
        (HEAD + b'"p":5.5e400}', "expected JSON"),
        (HEAD + b'"p":{}}', "$.p: expected a product"),
        (HEAD + b'"p":"P","c":-1}', "ideal_cycle_s"),
        (HEAD + b'"p":"P","c":"1.5"}', "$.c: expected a finite number"),
        (HEAD + b'"t":"hot"}', "$.t: expected a finite number, got 'hot'"),
        (HEAD + b'"t":[1]}', "$.t: expected a finite number"),
        (HEAD + b'"t":99999999999999999999999}', "64-bit"),
        (HEAD + b'"other":1}', "at least one of the mapped fields"),
        (b"[1,2]", "$.seq: expected a value"),
        (b'"text"', "$.seq: expected a value"),
    ],
)
def test_a_payload_that_is_wrong_is_refused_whole(raw: bytes, reason: str) -> None:
    reader, mapper = payload(**STRICT), Mapper()

    def read() -> None:
        document = decode(raw)
        numbered = reader.sequence(document)
        assert numbered is not None
        mapper.events(reader.said(document, "M1", numbered.n, NOW), by_sequence("shop", "M1/b", numbered.n), NOW)

    with pytest.raises(InvalidEvent) as caught:
        read()
    assert reason in str(caught.value)


def test_what_happens_tomorrow_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="at most 5 min after"):
        events(Mapper(), Said(machine="M1", t=Instant(NOW + DAY), clock="shop", values={"a": 1}))


# -- words ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 1.0, "1", True])
def test_a_state_has_one_word_however_its_value_is_spelled(value: Any) -> None:
    assert Words({0: "stopped", 1: "running"}).word(value) == "running"
    assert Words({"0": "stopped", "1": "running"}).word(value) == "running"
    assert Words({False: "stopped", True: "running"}).word(value) == "running"


def test_a_state_without_a_table_is_its_own_word() -> None:
    assert Words({}).word("Execute") == "Execute"


def test_a_state_that_the_table_does_not_know_is_refused_unless_there_is_a_default() -> None:
    with pytest.raises(InvalidEvent, match=r"got 9"):
        Words({0: "stopped"}).word(9)
    assert Words({0: "stopped"}, default="unknown").word(9) == "unknown"


# -- events --------------------------------------------------------------------------------------------------------------


def test_a_state_and_a_product_are_events_when_they_change() -> None:
    mapper = Mapper()

    def kinds(**what: Any) -> list[str]:
        one = Said(machine=what.pop("machine", "M1"), t=Instant(NOW), clock="shop", **what)
        return [type(event).__name__ for event in events(mapper, one)]

    assert kinds(state="run", product="P1", values={"a": 1}) == ["ProductChanged", "StateChanged", "Telemetry"]
    assert kinds(state="run", product="P1", values={"a": 2}) == ["Telemetry"]
    assert kinds(state="run", machine="M2") == ["StateChanged"]
    assert kinds(state="stop", parts={"good": 1, "reject": 0}) == ["StateChanged", "PartsCounted"]
    assert kinds(parts={"good": 0}) == []
    assert kinds(product="P2") == ["ProductChanged"]
    mapper.forget()
    assert kinds(state="stop", product="P2") == ["StateChanged"]


def test_what_is_refused_is_not_remembered() -> None:
    mapper = Mapper()
    with pytest.raises(InvalidEvent):
        events(mapper, Said(machine="M1", t=Instant(NOW), clock="shop", state="run", values={"a": 2**70}))
    (event,) = events(mapper, Said(machine="M1", t=Instant(NOW), clock="shop", state="run"))
    assert isinstance(event, StateChanged)


def test_a_cycle_alone_belongs_to_the_running_product() -> None:
    mapper = Mapper()

    def change(**what: Any) -> list[tuple[str, int | None]]:
        made = events(mapper, Said(machine="M1", t=Instant(NOW), clock="shop", **what))
        return [(event.product, event.ideal_cycle) for event in made if isinstance(event, ProductChanged)]

    assert change(cycle=5) == []
    assert change(product="P1", cycle=5) == [("P1", 5)]
    assert change(product="P1") == []
    assert change(cycle=6) == [("P1", 6)]
    assert change(product="P2") == [("P2", None)]


# -- identity ------------------------------------------------------------------------------------------------------------


def test_ids_of_a_sequence_start_at_one_and_only_readings_carry_it() -> None:
    one = Said(
        machine="M1", t=Instant(NOW), clock="shop", seq=0, state="run", product="P", values={"a": 1}, parts={"good": 1}
    )
    made = Mapper().events(one, by_sequence("shop", run_of("M1", "b1"), 0), NOW)
    assert [event.id for event in made] == [
        "product.changed:shop:M1/b1:1", "state.changed:shop:M1/b1:1", "seq:shop:M1/b1:1", "parts.counted:shop:M1/b1:1"
    ]  # fmt: skip
    assert all(event.seq == 0 for event in made)


def test_no_two_runs_have_one_name() -> None:
    pairs = [("a", "b/c"), ("a/b", "c"), ("a", "b%2Fc"), ("a", "b"), ("a/b", "")]
    assert len({run_of(*pair) for pair in pairs}) == len(pairs)


def test_the_same_message_is_the_same_events_and_another_one_is_not() -> None:
    one = Said(machine="M1", t=Instant(NOW), clock="shop", state="run", parts={"good": 1})

    def ids(*parts: str | bytes) -> list[str]:
        return [event.id for event in Mapper().events(one, by_message(*parts), NOW)]

    assert ids("shop", "t", b"x") == ids("shop", "t", b"x")
    assert (
        len({*ids("shop", "t", b"x"), *ids("shop", "t", b"y"), *ids("shop", "tx", b""), *ids("other", "t", b"x")}) == 8
    )


def test_the_same_content_is_the_same_event() -> None:
    def made(**what: Any) -> set[str]:
        one = Said(
            machine="M1", t=what.pop("t", Instant(NOW)), clock="shop", values=what.pop("values", {"a": 1.0}), **what
        )
        return {event.id for event in events(Mapper(), one)}

    assert made() == made(values={"a": 1})
    assert made() != made(values={"a": 2})
    assert made() != made(t=Instant(NOW - 1))
    assert made() != made(quality={"a": "uncertain"})


def test_a_message_that_comes_again_later_is_the_same_fact_although_it_has_no_time() -> None:
    reader = payload(sequence="$.seq", state="$.s", values={"a": "$.a"})
    made = [
        Mapper().events(
            reader.said(decode(b'{"seq":4,"s":"run","a":1}'), "M1", 4, NOW + i), by_sequence("shop", "M1/0", 4), NOW
        )
        for i in range(2)
    ]
    for first, again in zip(*made, strict=True):
        assert first.t != again.t
        assert (first.id, codec.digest(first)) == (again.id, codec.digest(again))


# -- topics --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "rule", "topic", "machine"),
    [
        (["plant/{machine}/telemetry"], None, "plant/MCH003/telemetry", "MCH003"),
        (["a/{machine}", "b/x/{machine}/#"], None, "b/x/M2/y/z", "M2"),
        (["$share/g/plant/{machine}/t"], None, "plant/M9/t", "M9"),
        (["plant/+/telemetry"], "topic:1", "plant/MCH003/telemetry", "MCH003"),
        (["$share/g/plant/+/t"], "topic:1", "plant/M9/t", "M9"),
        (["#"], "topic:0", "M1", "M1"),
        (["x"], "$.machine", "x", "FromPayload"),
        (["x"], "Press 7", "x", "Press 7"),
    ],
)
def test_the_machine_comes_from_topic_payload_or_settings(
    filters: list[str], rule: str | None, topic: str, machine: str
) -> None:
    assert Machine(filters, rule).of(topic, {"machine": "FromPayload"}) == machine


def test_a_message_that_names_no_machine_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="a machine at"):
        Machine(["x"], "$.machine").of("x", {})
    with pytest.raises(InvalidEvent, match="level 2"):
        Machine(["#"], "topic:2").of("a/b", {})
    with pytest.raises(InvalidEvent, match="a machine in the topic"):
        Machine(["a/+/c"], "topic:1").of("a//c", {})


def test_the_broker_is_asked_with_a_wildcard() -> None:
    assert filter_of("plant/{machine}/telemetry") == "plant/+/telemetry"


# -- settings ------------------------------------------------------------------------------------------------------------

MQTT: dict[str, Any] = {
    "kind": "mqtt", "name": "shop", "url": "mqtt://127.0.0.1", "topic": "plant/{machine}/t", "payload": {"values": "*"}
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"url": "http://x"}, "expected mqtt://host"),
        ({"url": "mqtt://"}, "expected mqtt://host"),
        ({"url": "mqtt://host:99999"}, "expected mqtt://host"),
        ({"ca": "x.pem"}, "expected mqtts://"),
        ({"url": "mqtts://h", "key": "k.pem"}, "expected cert"),
        ({"topic": "plant/+/t"}, "expected {machine} as a level"),
        ({"machine": "topic:1"}, "got both"),
        ({"topic": "plant/+/t", "machine": "topic:x"}, "a level from 0"),
        ({"topic": "plant/+/t", "machine": "topic:3"}, "from 0 to 2"),
        ({"topic": "plant/+/t", "machine": "$machine"}, "path"),
        ({"topic": "plant/a{machine}/t"}, "whole level"),
        ({"topic": "plant/#/{machine}"}, "# as the last"),
        ({"topics": ["a/{machine}"]}, "either topic or topics"),
        ({"topic": None}, "either topic or topics"),
        ({"qos": 2}, "expected 0 or 1"),
        ({"session_expiry_s": 0}, "forgets"),
        ({"name": "a:b"}, "name: expected"),
        ({"name": "tailrace"}, "name: expected"),
        ({"payload": {}}, "at least one of"),
        ({"payload": {"values": {"T": "temp"}}}, "payload.values.T: expected a path"),
        ({"payload": {"values": "all"}}, "payload.values"),
        ({"payload": {"valeus": "*"}}, "unknown field `valeus`"),
        ({"payload": {"values": "*", "time": {"path": "$.t", "unit": "h"}}}, "payload.time"),
        ({"payload": {"values": "*", "session": "$.s"}}, "expected sequence"),
        ({"payload": {"values": "*", "ideal_cycle_s": 1}}, "expected product"),
        ({"payload": {"product": "$.p", "ideal_cycle_s": -1}}, "seconds above 0"),
        ({"payload": {"product": "$.p", "ideal_cycle_s": {"P": 0}}}, "ideal_cycle_s.P"),
        ({"payload": {"counters": {"parts": "$.n"}}}, "counters"),
        ({"payload": {"state": {"path": "$.s", "map": {0: ""}}}}, "state word"),
        ({"receive_maximum": 0}, "receive_maximum"),
        ({"receive_maxmum": 5}, "unknown field"),
    ],
)
def test_wrong_mqtt_settings_are_refused_in_words(change: dict[str, Any], problem: str) -> None:
    msgspec.convert(MQTT, MqttSettings)
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(MQTT | change, MqttSettings)
    assert problem in str(caught.value)


OPCUA: dict[str, Any] = {
    "kind": "opcua", "name": "plc", "url": "opc.tcp://127.0.0.1:4840/", "machines": {"M1": {"values": {"T": "ns=2;s=T"}}}
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"url": "127.0.0.1:4840"}, "expected opc.tcp://host"),
        ({"url": "opc.tcp://:4840"}, "expected opc.tcp://host"),
        ({"machines": {}}, "at least one machine"),
        ({"machines": {"M1": {}}}, "at least one of state"),
        ({"machines": {"M1": {"values": {"T": "T"}}}}, "values.T: expected a node id"),
        ({"machines": {"M1": {"state": {"node": "ns=2"}}}}, "state: expected a node id"),
        ({"machines": {"M1": {"counters": {"total": "i=x"}}}}, "counters.total: expected a node id"),
        ({"machines": {"M1": {"values": {"T": "i=1"}, "ideal_cycle_s": 1}}}, "expected product"),
        ({"machines": {"M1": {"product": "i=1", "ideal_cycle_s": "1.5"}}}, "ideal_cycle_s: expected a node id"),
        ({"machines": {"M1": {"stat": "i=1"}}}, "unknown field `stat`"),
        ({"security": "Basic256Sha256"}, "Policy,Mode,certificate,key"),
        ({"security": "Basic,Sign,a,b"}, "a policy among"),
        ({"security": "Basic256Sha256,Encrypt,a,b"}, "Sign or SignAndEncrypt"),
        ({"password": "x"}, "expected username"),
        ({"queue_size": 0}, "queue_size"),
        ({"name": ""}, "name: expected"),
    ],
)
def test_wrong_opcua_settings_are_refused_in_words(change: dict[str, Any], problem: str) -> None:
    msgspec.convert(OPCUA, OpcUaSettings)
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(OPCUA | change, OpcUaSettings)
    assert problem in str(caught.value)


def test_the_sources_of_the_documentation_are_taken_as_they_stand() -> None:
    text = (pathlib.Path(__file__).parents[1] / "docs" / "sources.md").read_text()
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    sources = msgspec.convert([one for block in blocks for one in block["sources"]], list[MqttSettings | OpcUaSettings])
    mqtt = next(each for each in sources if isinstance(each, MqttSettings))
    raw = re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0].encode()
    one = Payload(mqtt.payload, mqtt.name).said(decode(raw), "MCH003", 17, NOW)
    assert (one.state, one.parts, one.product, one.cycle) == (
        "running",
        {"good": 1, "reject": 0},
        "P1",
        3 * SECOND // 2,
    )
    assert one.values == {"MachineTemp": 73.8, "CO2Level": 480, "ZoneTemp": 41.5}


def test_settings_have_a_json_schema() -> None:
    schema = msgspec.json.schema(OpcUaSettings | MqttSettings)
    assert {"OpcUaSettings", "MqttSettings", "PayloadSettings"} <= schema["$defs"].keys()


def test_telemetry_and_parts_of_one_payload_are_two_events() -> None:
    made = events(Mapper(), said(payload(good="$.g", values={"a": "$.a"}), b'{"g":3,"a":1}'))
    assert [type(event) for event in made] == [Telemetry, PartsCounted]
