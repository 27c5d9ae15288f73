//! The optional native parts of Covet: this file registers the functions and classes, nothing else.
//!
//! Each family of functions has its own module, and each function a twin in `covet/accel/twins/` under the same name,
//! which gives the same bytes.

use pyo3::prelude::*;

mod heads;
mod integers;
mod keys;
mod models;
mod moments;
mod output;
mod rows;
mod steps;
mod waiters;

/// The Python module `covet_rust`.
#[pymodule]
fn covet_rust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(keys::duplicate_key, module)?)?;
    module.add_class::<models::ModelWriter>()?;
    module.add_class::<steps::Waiting>()?;
    module.add_class::<waiters::Gate>()?;
    module.add_class::<waiters::Prompt>()?;
    module.add_class::<waiters::Waiter>()?;
    module.add_function(wrap_pyfunction!(integers::decode_integers, module)?)?;
    module.add_function(wrap_pyfunction!(integers::encode_integers, module)?)?;
    module.add_function(wrap_pyfunction!(moments::decode_moment, module)?)?;
    #[cfg(not(feature = "abi3"))]
    module.add_function(wrap_pyfunction!(moments::encode_moment, module)?)?;
    #[cfg(not(feature = "abi3"))]
    module.add_function(wrap_pyfunction!(moments::in_utc, module)?)?;
    module.add_function(wrap_pyfunction!(moments::read_moment, module)?)?;
    module.add_function(wrap_pyfunction!(heads::read_request, module)?)?;
    module.add_function(wrap_pyfunction!(heads::with_length, module)?)?;
    module.add_function(wrap_pyfunction!(heads::write_answer, module)?)?;
    module.add_function(wrap_pyfunction!(rows::encode_rows, module)?)?;
    module.add_function(wrap_pyfunction!(steps::first_step, module)?)?;
    Ok(())
}
