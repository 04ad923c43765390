"""What openWB 1.9 makes of a message on its set topics: accepted, refused, or ignored without a trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.v1.commands import SETTINGS, EnergyReset, Outcome, Renew, Setting, TagScanned, decide


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.set_topic)
def test_both_ends_of_each_range_are_accepted_and_echoed_at_once(setting: Setting) -> None:
    """The echo stands on the setting's own topic; the set topic is cleared."""
    for value in (setting.lowest, setting.highest):
        outcome = decide(f"openWB/{setting.set_topic}", str(value))
        assert outcome is not None
        assert outcome.writes == {setting.get_topic: str(value)}
        assert outcome.echoes[setting.get_topic] == str(value)
        assert outcome.is_cleared


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.set_topic)
def test_a_value_out_of_range_is_cleared_without_an_echo(setting: Setting) -> None:
    """So the cleared topic proves only that the message was handled."""
    for value in (setting.lowest - 1, setting.highest + 1):
        assert decide(f"openWB/{setting.set_topic}", str(value)) == Outcome()


@pytest.mark.parametrize("payload", ["16.0", "", " ", "sixteen", "0x10", "1e1", "true", "9" * 5000])
def test_what_is_no_whole_number_is_ignored_without_a_trace(payload: str) -> None:
    """`int()` raises: no echo, and the topic is not cleared."""
    assert decide("openWB/config/set/sofort/lp/1/current", payload) is None


@pytest.mark.parametrize("payload", [" 16", "+16", "1_6", "16\n", "１６"])
def test_odd_whole_numbers_pass_and_are_echoed_as_they_came(payload: str) -> None:
    """`int()` takes them, and openWB stores the text."""
    outcome = decide("openWB/config/set/sofort/lp/1/current", payload)
    assert outcome is not None
    assert outcome.echoes == {"config/get/sofort/lp/1/current": payload}


@pytest.mark.parametrize(
    ("n", "value", "flags"),
    [
        (1, "1", {"lp/1/boolDirectModeChargekWh": "1", "lp/1/boolDirectChargeModeSoc": "0"}),
        (2, "2", {"lp/2/boolDirectModeChargekWh": "0", "lp/2/boolDirectChargeModeSoc": "1"}),
        (3, "1", {"lp/3/boolDirectModeChargekWh": "1"}),
    ],
)
def test_a_limit_also_shows_on_the_old_topics(n: int, value: str, flags: dict[str, str]) -> None:
    """Charge points from 3 on know no SoC."""
    outcome = decide(f"openWB/config/set/sofort/lp/{n}/chargeLimitation", value)
    assert outcome is not None
    assert outcome.echoes == {f"config/get/sofort/lp/{n}/chargeLimitation": value, **flags}


def test_a_soc_limit_is_refused_from_the_third_charge_point_on() -> None:
    """And its SoC target is no setting at all: cleared, no echo."""
    assert decide("openWB/config/set/sofort/lp/3/chargeLimitation", "2") == Outcome()
    assert decide("openWB/config/set/sofort/lp/3/socToChargeTo", "50") == Outcome()


def test_the_short_spelling_of_a_charge_point_means_the_same() -> None:
    """openWB strips all but digits from the topic."""
    assert decide("openWB/set/lp1/ChargePointEnabled", "0") == decide("openWB/set/lp/1/ChargePointEnabled", "0")


@pytest.mark.parametrize(
    ("topic", "payload", "event"),
    [
        ("openWB/set/RenewMQTT", "1", Renew()),
        ("openWB/set/RenewMQTT", "0", None),
        ("openWB/config/set/sofort/lp/2/resetEnergyToCharge", "1", EnergyReset(2)),
        ("openWB/config/set/sofort/lp/2/resetEnergyToCharge", "0", None),
        ("openWB/set/system/SimulateRFID", "0004A376A2", TagScanned("0004A376A2")),
        ("openWB/set/system/SimulateRFID", "0004;rm", None),
        ("openWB/set/system/PerformUpdate", "1", None),
    ],
)
def test_events_and_what_this_house_does_not_have(topic: str, payload: str, event: object) -> None:
    """Whatever is handled is cleared, also what has no effect."""
    outcome = decide(topic, payload)
    assert outcome is not None
    assert (outcome.event, outcome.is_cleared, dict(outcome.writes)) == (event, True, {})


@pytest.mark.parametrize("topic", ["openWB/set/configure/AllowedPeakPower", "openWB/set/graph/RequestDayGraph"])
def test_some_topics_stay_as_they_came(topic: str) -> None:
    """openWB does not clear these."""
    assert decide(topic, "20261123") is None


def test_prices_are_decimals_that_show_one_loop_later() -> None:
    """Written, cleared, and no echo at once."""
    outcome = decide("openWB/set/awattar/MaxPriceForCharging", "12.5")
    assert outcome == Outcome({"global/awattar/MaxPriceForCharging": "12.5"})
    for out_of_range in ("95.5", "nan", "inf"):
        assert decide("openWB/set/awattar/MaxPriceForCharging", out_of_range) == Outcome()
    assert decide("openWB/set/awattar/MaxPriceForCharging", "12,5") is None


def test_manual_soc_and_faults_are_echoed() -> None:
    """The SoC shows twice; a battery's fault changes its spelling."""
    soc = decide("openWB/set/lp/1/manualSoc", "60")
    assert soc is not None
    assert soc.echoes == {"lp/1/manualSoc": "60", "lp/1/%Soc": "60"}
    fault = decide("openWB/set/houseBattery/faultState", "2")
    assert fault is not None
    assert fault.echoes == {"housebattery/faultState": "2"}
    assert decide("openWB/set/evu/faultState", "3") == Outcome()


@given(
    topic=st.one_of(
        st.sampled_from([f"openWB/{setting.set_topic}" for setting in SETTINGS]),
        st.sampled_from(
            ["openWB/set/RenewMQTT", "openWB/set/awattar/MaxPriceForCharging", "openWB/set/lp/1/manualSoc"]
        ),
        st.text().map(lambda text: f"openWB/set/{text}"),
        st.text(),
    ),
    payload=st.text(),
)
def test_no_message_raises_or_is_echoed_changed(topic: str, payload: str) -> None:
    """Any topic and text is accepted, refused or ignored; an echo is the text that came, or a 0 or 1."""
    outcome = decide(topic, payload)
    if outcome is not None:
        assert set(outcome.echoes.values()) <= {payload, "0", "1"}


@given(st.integers(-10, 120))
def test_the_current_is_taken_from_6_to_32_only(value: int) -> None:
    """openWB's own range."""
    outcome = decide("openWB/config/set/sofort/lp/1/current", str(value))
    assert outcome is not None
    assert bool(outcome.echoes) == (6 <= value <= 32)
