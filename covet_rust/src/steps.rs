//! The first step of an awaitable, taken by hand; the twin is `covet/accel/twins/steps.py`, which says what it is for.
//!
//! No borrow of a `Waiting` is held while Python runs: what goes on may ask for it again.

use pyo3::exceptions::{PyAttributeError, PyStopIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::iterator::PySendResult;
use pyo3::types::{PyIterator, PyTuple};
use pyo3::{PyTraverseError, PyVisit, intern};

/// What is left of an awaitable whose first step is taken: awaiting it goes on.
#[pyclass(module = "covet_rust")]
pub struct Waiting {
    steps: Option<Py<PyAny>>,
    // What the first step waits for, until it is told to the loop.
    waited: Option<Py<PyAny>>,
}

#[pymethods]
impl Waiting {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::send(slf, slf.py().None().bind(slf.py()))
    }

    fn send<'py>(slf: &Bound<'py, Self>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let (steps, waited) = {
            let mut own = slf.borrow_mut();
            (
                own.steps.as_ref().map(|steps| steps.clone_ref(py)),
                own.waited.take(),
            )
        };
        if let Some(waited) = waited {
            return Ok(waited.into_bound(py));
        }
        let Some(steps) = steps else {
            return Err(PyStopIteration::new_err(((),)));
        };
        match steps.bind(py).cast::<PyIterator>()?.send(value)? {
            PySendResult::Next(waited) => Ok(waited),
            // In a tuple: of one that is returned, an exception would take the members for its arguments.
            PySendResult::Return(result) => Err(PyStopIteration::new_err((result.unbind(),))),
        }
    }

    #[pyo3(signature = (*error))]
    fn throw<'py>(
        slf: &Bound<'py, Self>,
        error: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let steps = {
            let mut own = slf.borrow_mut();
            own.waited = None;
            own.steps.as_ref().map(|steps| steps.clone_ref(py))
        };
        let throw = match steps {
            Some(steps) => steps.bind(py).getattr_opt(intern!(py, "throw"))?,
            None => None,
        };
        match throw {
            Some(throw) => throw.call1(error),
            // Whoever has no way to take it does not see it, as with ``yield from``.
            None => Err(PyErr::from_value(error.get_item(0)?)),
        }
    }

    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let steps = slf.borrow().steps.as_ref().map(|steps| steps.clone_ref(py));
        if let Some(steps) = steps
            && let Some(close) = steps.bind(py).getattr_opt(intern!(py, "close"))?
        {
            close.call0()?;
        }
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.steps)?;
        visit.call(&self.waited)
    }

    fn __clear__(&mut self) {
        self.steps = None;
        self.waited = None;
    }
}

/// Take the first step of an awaitable: return its result, or a `Waiting` that is awaited for the rest.
///
/// The result comes as it is, and not as the `StopIteration` that Python's own `send` makes of it.
#[pyfunction]
#[pyo3(signature = (awaitable, /))]
pub fn first_step<'py>(awaitable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = awaitable.py();
    let steps = match awaitable.call_method0(intern!(py, "__await__")) {
        Ok(steps) => steps,
        Err(error) => steps_of_generator(awaitable, error)?,
    }
    .cast_into::<PyIterator>()?;
    match steps.send(py.None().bind(py))? {
        PySendResult::Return(result) => Ok(result),
        PySendResult::Next(waited) => {
            let waiting = Waiting {
                steps: Some(steps.into_any().unbind()),
                waited: Some(waited.unbind()),
            };
            Ok(Bound::new(py, waiting)?.into_any())
        }
    }
}

/// Return a generator that `types.coroutine` made awaitable, which has no `__await__`; else raise what is wrong.
#[cold]
fn steps_of_generator<'py>(
    awaitable: &Bound<'py, PyAny>,
    error: PyErr,
) -> PyResult<Bound<'py, PyAny>> {
    const CO_ITERABLE_COROUTINE: u32 = 0x100;
    let py = awaitable.py();
    let kind = awaitable.get_type();
    if !error.is_instance_of::<PyAttributeError>(py) || kind.hasattr(intern!(py, "__await__"))? {
        return Err(error); // its own `__await__` failed
    }
    if let Some(code) = awaitable.getattr_opt(intern!(py, "gi_code"))?
        && code.getattr(intern!(py, "co_flags"))?.extract::<u32>()? & CO_ITERABLE_COROUTINE != 0
    {
        return Ok(awaitable.clone());
    }
    let name = kind.name()?;
    Err(PyTypeError::new_err(if py.version_info() >= (3, 14) {
        format!("'{name}' object can't be awaited")
    } else {
        format!("object {name} can't be used in 'await' expression")
    }))
}
