"""Signals and their receivers."""

import gc

import pytest

from covet.dispatch import Signal, receiver

pytestmark = pytest.mark.row("signals.dispatch")


class Sender:
    pass


async def test_receivers_are_called_in_order_sync_and_async():
    signal, calls = Signal(), []

    @receiver(signal)
    def first(sender, **kwargs):
        calls.append(("first", sender, kwargs["value"], kwargs["signal"]))

    @receiver(signal)
    async def second(sender, **kwargs):
        calls.append(("second", sender, kwargs["value"], kwargs["signal"]))
        return 2

    responses = await signal.send(Sender, value=1)

    assert calls == [("first", Sender, 1, signal), ("second", Sender, 1, signal)]
    assert responses == [(first, None), (second, 2)]


async def test_a_receiver_may_be_for_one_sender_only():
    signal, calls = Signal(), []

    def receive(sender, **kwargs):
        calls.append(sender)

    signal.connect(receive, sender=Sender)
    await signal.send(Sender)
    await signal.send(object)

    assert calls == [Sender]
    assert signal.has_listeners(Sender)
    assert not signal.has_listeners(object)


async def test_a_receiver_that_is_gone_is_not_called():
    signal = Signal()

    class Holder:
        def receive(self, sender, **kwargs):
            raise AssertionError

    holder = Holder()
    signal.connect(holder.receive)
    assert signal.has_listeners(Sender)
    del holder
    gc.collect()

    assert not signal.has_listeners(Sender)
    assert await signal.send(Sender) == []


async def test_connecting_twice_connects_once_and_disconnecting_ends_it():
    signal, calls = Signal(), []

    def receive(sender, **kwargs):
        calls.append(1)

    signal.connect(receive, dispatch_uid="one")
    signal.connect(receive, dispatch_uid="one")
    await signal.send(Sender)

    assert calls == [1]
    assert signal.disconnect(dispatch_uid="one")
    assert not signal.disconnect(dispatch_uid="one")
    assert not signal.has_listeners(Sender)


async def test_the_first_error_ends_send_and_is_returned_by_send_robust(caplog):
    signal, calls = Signal(), []

    def fail(sender, **kwargs):
        raise KeyError("x")

    def after(sender, **kwargs):
        calls.append(1)

    signal.connect(fail)
    signal.connect(after)

    with pytest.raises(KeyError):
        await signal.send(Sender)
    assert calls == []

    responses = await signal.send_robust(Sender)
    assert isinstance(responses[0][1], KeyError)
    assert calls == [1]
    assert "fail" in caplog.text


def test_an_async_receiver_of_a_sync_signal_is_refused():
    signal = Signal()

    async def receive(sender, **kwargs):
        pass

    signal.connect(receive)

    with pytest.raises(TypeError, match="is async"):
        signal.send_sync(Sender)


def test_a_receiver_must_take_any_keyword():
    with pytest.raises(TypeError, match="kwargs"):
        Signal().connect(lambda sender: None)
    with pytest.raises(TypeError, match="callable"):
        Signal().connect(3)


async def test_a_sender_may_be_named_before_its_model_exists():
    from covet.apps import apps
    from covet.db import models
    from covet.db.models.signals import ModelSignal

    signal, calls = ModelSignal(), []

    def receive(sender, **kwargs):
        calls.append(sender)

    with apps.isolate():
        signal.connect(receive, sender="later.Thing")
        assert not signal.has_listeners()

        class Thing(models.Model):
            class Meta:
                app_label = "later"

        class Other(models.Model):
            class Meta:
                app_label = "later"

        await signal.send(Other)
        await signal.send(Thing)
        assert calls == [Thing]
        assert signal.disconnect(receive, sender="later.Thing")
        assert not signal.has_listeners(Thing)


async def test_one_function_may_listen_to_several_signals_and_be_kept_by_them():
    signals, calls = (Signal(), Signal()), []

    def connect():
        @receiver(signals, sender=Sender, weak=False)
        def receive(sender, **kwargs):
            calls.append(kwargs["signal"])

    connect()
    gc.collect()
    for signal in signals:
        await signal.send(Sender)
        await signal.send(object)

    assert calls == list(signals)
