//! Futures that wake their tasks where an answer is read; the twin is `covet/accel/twins/waiters.py`, and what they are
//! for stands in `covet/db/backends/direct.py`.
//!
//! No borrow of a waiter or a gate is held while Python runs: a callback may ask either of them for anything.

use pyo3::exceptions::{PyBaseException, PyOSError, PyRuntimeError, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySlice, PyTraceback, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit, import_exception, intern};

import_exception!(asyncio, CancelledError);
import_exception!(asyncio, InvalidStateError);

#[derive(Clone, Copy, PartialEq)]
enum State {
    Pending,
    Cancelled,
    Finished,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Pending => "PENDING",
            State::Cancelled => "CANCELLED",
            State::Finished => "FINISHED",
        }
    }
}

/// An error, with the traceback that it had when it came: raising it again must not make that longer.
struct Failure {
    error: Py<PyBaseException>,
    traceback: Option<Py<PyTraceback>>,
}

/// What is to be called, and in which context.
type Callback = (Py<PyAny>, Option<Py<PyAny>>);

/// What asyncio asks of a future, and drivers.
#[pyclass(subclass, module = "covet_rust")]
pub struct Waiter {
    gate: Py<Gate>,
    state: State,
    // It goes on where its answer is told, since that is the last thing a callback of the loop does.
    is_prompt: bool,
    #[pyo3(get, set, name = "_asyncio_future_blocking")]
    blocking: bool,
    callbacks: Vec<Callback>,
    result: Option<Py<PyAny>>,
    failure: Option<Failure>,
    cancel_message: Option<Py<PyAny>>,
}

#[pymethods]
impl Waiter {
    #[new]
    fn new(gate: Py<Gate>) -> Self {
        Self {
            gate,
            state: State::Pending,
            is_prompt: false,
            blocking: false,
            callbacks: Vec::new(),
            result: None,
            failure: None,
            cancel_message: None,
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let state = slf.borrow().state.name().to_lowercase();
        Ok(format!("<{} {state}>", slf.get_type().name()?))
    }

    fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.gate.borrow(py).event_loop.clone_ref(py)
    }

    fn done(&self) -> bool {
        self.state != State::Pending
    }

    fn cancelled(&self) -> bool {
        self.state == State::Cancelled
    }

    fn result(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let me = slf.borrow();
        match (&me.result, &me.failure) {
            (Some(result), _) => Ok(result.clone_ref(slf.py())),
            (None, Some(failure)) => Err(failure.raised(slf.py())),
            (None, None) => Err(me.missing(slf.py())),
        }
    }

    fn exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyBaseException>>> {
        match self.state {
            State::Finished => Ok(self.failure.as_ref().map(|found| found.error.clone_ref(py))),
            _ => Err(self.missing(py)),
        }
    }

    fn set_result(slf: &Bound<'_, Self>, result: Py<PyAny>) -> PyResult<()> {
        let mut me = slf.try_borrow_mut()?;
        me.check_pending(slf)?;
        me.result = Some(result);
        me.state = State::Finished;
        drop(me);
        Self::wake(slf)
    }

    fn set_exception(slf: &Bound<'_, Self>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.borrow().check_pending(slf)?;
        let error = match error.cast::<PyType>() {
            Ok(class) => class.call0()?,
            Err(_) => error.clone(),
        };
        let error = error.cast_into::<PyBaseException>()?;
        let traceback = error.getattr(intern!(slf.py(), "__traceback__"))?;
        let failure = Failure {
            traceback: traceback.cast_into::<PyTraceback>().ok().map(Bound::unbind),
            error: error.unbind(),
        };
        let mut me = slf.try_borrow_mut()?;
        me.failure = Some(failure);
        me.state = State::Finished;
        drop(me);
        Self::wake(slf)
    }

    #[pyo3(signature = (msg = None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let mut me = slf.try_borrow_mut()?;
        if me.state != State::Pending {
            return Ok(false);
        }
        let tell = me.gate.try_borrow_mut(slf.py())?.held_back(slf);
        if let Some(tell) = tell {
            drop(me);
            tell.call0(slf.py())?;
            return Ok(false);
        }
        me.cancel_message = msg;
        me.state = State::Cancelled;
        drop(me);
        Self::schedule(slf)?;
        Ok(true)
    }

    #[pyo3(signature = (function, *, context = None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        function: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let mut me = slf.try_borrow_mut()?;
        if me.state == State::Pending {
            me.callbacks.push((function, context));
            return Ok(());
        }
        drop(me);
        Self::call_soon(slf, function, context)
    }

    fn remove_done_callback(slf: &Bound<'_, Self>, function: &Bound<'_, PyAny>) -> PyResult<usize> {
        let callbacks = std::mem::take(&mut slf.try_borrow_mut()?.callbacks);
        let count = callbacks.len();
        let mut kept = Vec::with_capacity(count);
        for callback in callbacks {
            if !callback.0.bind(slf.py()).eq(function)? {
                kept.push(callback);
            }
        }
        let removed = count - kept.len();
        slf.try_borrow_mut()?.callbacks = kept;
        Ok(removed)
    }

    /// Call what waits; only where no task runs.
    fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let callbacks = std::mem::take(&mut slf.try_borrow_mut()?.callbacks);
        for (function, context) in callbacks {
            match context {
                None => function.bind(py).call1((slf,))?,
                Some(context) => context
                    .bind(py)
                    .call_method1(intern!(py, "run"), (function, slf))?,
            };
        }
        Ok(())
    }

    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// A task takes it once, and then its result: so it is an iterator itself.
    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<Self>> {
        let mut me = slf.try_borrow_mut()?;
        if me.state == State::Pending {
            if me.blocking {
                return Err(PyRuntimeError::new_err("await wasn't used with future"));
            }
            me.blocking = true;
            return Ok(slf.clone().unbind());
        }
        drop(me);
        let result = Self::result(slf)?;
        let value = result.bind(slf.py());
        // These two Python would take for the arguments of the exception, and for the exception.
        if value.is_instance_of::<PyTuple>() || value.is_instance_of::<PyBaseException>() {
            return Err(PyStopIteration::new_err((result,)));
        }
        Err(PyStopIteration::new_err(result))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.gate)?;
        for (function, context) in &self.callbacks {
            visit.call(function)?;
            visit.call(context)?;
        }
        if let Some(failure) = &self.failure {
            visit.call(&failure.error)?;
            visit.call(&failure.traceback)?;
        }
        visit.call(&self.result)?;
        visit.call(&self.cancel_message)
    }

    fn __clear__(&mut self) {
        self.callbacks.clear();
        self.result = None;
        self.failure = None;
        self.cancel_message = None;
    }
}

impl Waiter {
    fn check_pending(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        if self.state == State::Pending {
            return Ok(());
        }
        let name = self.state.name();
        let text = format!(
            "{name}: <{} {}>",
            slf.get_type().name()?,
            name.to_lowercase()
        );
        Err(InvalidStateError::new_err(text))
    }

    /// What it means that there is no result.
    fn missing(&self, py: Python<'_>) -> PyErr {
        match (self.state, &self.cancel_message) {
            (State::Cancelled, Some(message)) => CancelledError::new_err((message.clone_ref(py),)),
            (State::Cancelled, None) => CancelledError::new_err(()),
            _ => InvalidStateError::new_err("Result is not ready."),
        }
    }

    /// Let what waits go on: here, when the driver is done, or in the loop's next turn.
    fn wake(slf: &Bound<'_, Self>) -> PyResult<()> {
        let me = slf.borrow();
        if me.is_prompt {
            drop(me);
            return Self::run(slf);
        }
        let mut gate = me.gate.try_borrow_mut(slf.py())?;
        if gate.is_open {
            gate.ready.push(slf.clone().unbind());
            return Ok(());
        }
        drop(gate);
        drop(me);
        Self::schedule(slf)
    }

    fn schedule(slf: &Bound<'_, Self>) -> PyResult<()> {
        let callbacks = std::mem::take(&mut slf.try_borrow_mut()?.callbacks);
        for (function, context) in callbacks {
            Self::call_soon(slf, function, context)?;
        }
        Ok(())
    }

    fn call_soon(
        slf: &Bound<'_, Self>,
        function: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let named = PyDict::new(py);
        named.set_item(intern!(py, "context"), context)?;
        let event_loop = slf.borrow().get_loop(py);
        event_loop
            .bind(py)
            .call_method(intern!(py, "call_soon"), (function, slf), Some(&named))?;
        Ok(())
    }
}

impl Failure {
    fn raised(&self, py: Python<'_>) -> PyErr {
        let error = PyErr::from_value(self.error.bind(py).clone().into_any());
        let traceback = self.traceback.as_ref().map(|found| found.bind(py).clone());
        error.set_traceback(py, traceback);
        error
    }
}

/// A waiter whose answer is the last thing that a callback of the loop has to do.
#[pyclass(extends = Waiter, module = "covet_rust")]
pub struct Prompt;

#[pymethods]
impl Prompt {
    #[new]
    fn new(gate: Py<Gate>) -> PyClassInitializer<Self> {
        let mut waiter = Waiter::new(gate);
        waiter.is_prompt = true;
        PyClassInitializer::from(waiter).add_subclass(Self)
    }
}

/// Hands what was read to a driver, and lets those that wait for an answer go on once the driver has taken it in.
#[pyclass(subclass, dict, module = "covet_rust")]
pub struct Gate {
    #[pyo3(get, name = "loop")]
    event_loop: Py<PyAny>,
    receive: Option<Py<PyAny>>,
    // Where the driver writes, its own ``write``, and ``send`` of its socket.
    way: Option<(Py<PyAny>, Py<PyAny>, Py<PyAny>)>,
    // The driver is at work on what was read.
    #[pyo3(get)]
    is_open: bool,
    // Those that have their answer by now.
    ready: Vec<Py<Waiter>>,
    // Who hears of a cancellation that is held back, and the waiter that it came to.
    tell: Option<Py<PyAny>>,
    held: Option<Py<Waiter>>,
}

#[pymethods]
impl Gate {
    #[new]
    fn new(event_loop: Py<PyAny>) -> Self {
        Self {
            event_loop,
            receive: None,
            way: None,
            is_open: false,
            ready: Vec::new(),
            tell: None,
            held: None,
        }
    }

    /// Take what `data_received` gives to the driver, by this function of the driver's.
    fn pass_to(&mut self, receive: Py<PyAny>) {
        self.receive = Some(receive);
    }

    /// Let `write` stand before the one of an asyncio transport.
    fn write_by(&mut self, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = transport.py();
        let own = transport.getattr(intern!(py, "write"))?;
        let send = transport
            .getattr(intern!(py, "_sock"))?
            .getattr(intern!(py, "send"))?;
        self.way = Some((transport.clone().unbind(), own.unbind(), send.unbind()));
        Ok(())
    }

    /// Give the socket what it takes at once; a rest, a failure, or a connection that is lost is the transport's own business.
    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let me = slf.try_borrow()?;
        let Some((transport, own, send)) = &me.way else {
            return Err(PyRuntimeError::new_err("the gate stands before nothing"));
        };
        let transport = transport.bind(py).clone();
        let own = own.bind(py).clone();
        let send = send.bind(py).clone();
        drop(me);
        if transport.getattr(intern!(py, "_buffer"))?.is_truthy()?
            || transport.getattr(intern!(py, "_conn_lost"))?.is_truthy()?
        {
            return own.call1((data,)).map(drop);
        }
        match send.call1((data,)) {
            Ok(sent) => {
                let sent: usize = sent.extract()?;
                let length = data.len()?;
                if sent != length {
                    own.call1((data.get_item(PySlice::new(
                        py,
                        sent as isize,
                        length as isize,
                        1,
                    ))?,))?;
                }
                Ok(())
            }
            // Nothing has left: there it waits, or fails again and the connection with it.
            Err(error) if error.is_instance_of::<PyOSError>(py) => own.call1((data,)).map(drop),
            Err(error) => Err(error),
        }
    }

    /// From now on none of the waiters is cancelled: a cancellation is told of, and its task gets it when the answer is there.
    fn hold(&mut self, tell: Py<PyAny>) {
        self.tell = Some(tell);
    }

    /// End that, and return the waiter to which a cancellation came.
    fn let_go(&mut self) -> Option<Py<Waiter>> {
        self.tell = None;
        self.held.take()
    }

    /// Hand it to the driver; what waited for it goes on when that has returned.
    fn data_received(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let mut me = slf.try_borrow_mut()?;
        me.is_open = true;
        let receive = me.receive.as_ref().map(|found| found.clone_ref(py));
        drop(me);
        let taken = match receive {
            Some(receive) => receive.bind(py).call1((data,)).map(drop),
            None => Ok(()),
        };
        let mut me = slf.try_borrow_mut()?;
        me.is_open = false;
        let ready = std::mem::take(&mut me.ready);
        drop(me);
        for waiter in ready {
            Waiter::run(waiter.bind(py))?;
        }
        taken
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        for waiter in &self.ready {
            visit.call(waiter)?;
        }
        visit.call(&self.receive)?;
        if let Some((transport, own, send)) = &self.way {
            visit.call(transport)?;
            visit.call(own)?;
            visit.call(send)?;
        }
        visit.call(&self.tell)?;
        visit.call(&self.held)?;
        visit.call(&self.event_loop)
    }

    fn __clear__(&mut self) {
        self.ready.clear();
        self.receive = None;
        self.way = None;
        self.tell = None;
        self.held = None;
    }
}

impl Gate {
    /// Note a waiter whose cancellation is held back, and return whom to tell of it.
    fn held_back(&mut self, waiter: &Bound<'_, Waiter>) -> Option<Py<PyAny>> {
        let tell = self.tell.as_ref()?.clone_ref(waiter.py());
        self.held = Some(waiter.clone().unbind());
        Some(tell)
    }
}
