//! Values of schemas to JSON, straight from what they hold; the twin is `covet/accel/twins/models.py`.
//!
//! The bytes are those of pydantic for the same values. What is not exactly as the schemas declare it (a subclass, a
//! field that was left out, a value that someone assigned) is answered with None: pydantic knows what to do with it.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::rows::{MAX_DEPTH, Types, write_float, write_int, write_text, write_value};

/// Room for one value; what the first of a list takes then tells how much the others will.
const FIRST_VALUE: usize = 512;

/// One field: its attribute, and the text before its value (`{"id":`, `,"title":`).
struct Field {
    name: Py<PyString>,
    fragment: Vec<u8>,
}

/// One class and its fields, in the order in which its values hold them.
struct Shape {
    class: Py<PyType>,
    fields: Vec<Field>,
}

/// Writes values of one class, and of those that stand inside them.
#[pyclass(frozen, module = "covet_rust")]
pub struct ModelWriter {
    shapes: Vec<Shape>,
}

#[pymethods]
impl ModelWriter {
    /// Take each class with its attributes, the texts before their values, and the names of its floats, which only the
    /// twin asks for; the outermost class first.
    #[new]
    fn new(shapes: &Bound<'_, PyList>) -> PyResult<Self> {
        let shapes = shapes.iter().map(|shape| read_shape(&shape));
        Ok(Self {
            shapes: shapes.collect::<PyResult<_>>()?,
        })
    }

    /// Return one value as JSON, or None.
    fn one<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let types = Types::get(py)?;
        let mut out = Vec::with_capacity(FIRST_VALUE);
        Ok(self
            .write_outermost(&mut out, value, types)
            .map(|()| PyBytes::new(py, &out)))
    }

    /// Return a list of values as JSON, or None.
    fn many<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyList>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let types = Types::get(py)?;
        let mut out = Vec::with_capacity(FIRST_VALUE);
        out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if self.write_outermost(&mut out, &value, types).is_none() {
                return Ok(None);
            }
            if index == 0 {
                // A tenth for those that are longer than the first.
                out.reserve(values.len() * (out.len() + out.len() / 10));
            }
        }
        out.push(b']');
        Ok(Some(PyBytes::new(py, &out)))
    }
}

fn read_shape(shape: &Bound<'_, PyAny>) -> PyResult<Shape> {
    let shape = shape.cast::<PyTuple>()?;
    let names = shape.get_item(1)?;
    let fragments = shape.get_item(2)?;
    let fields = names
        .cast::<PyTuple>()?
        .iter()
        .zip(fragments.cast::<PyTuple>()?.iter())
        .map(|(name, fragment)| {
            Ok(Field {
                name: name.cast_into::<PyString>()?.unbind(),
                fragment: fragment.cast::<PyBytes>()?.as_bytes().to_vec(),
            })
        });
    Ok(Shape {
        class: shape.get_item(0)?.cast_into::<PyType>()?.unbind(),
        fields: fields.collect::<PyResult<_>>()?,
    })
}

impl ModelWriter {
    fn write_outermost(
        &self,
        out: &mut Vec<u8>,
        value: &Bound<'_, PyAny>,
        types: &Types,
    ) -> Option<()> {
        let shape = self.shapes.first()?;
        if !value.get_type().is(shape.class.bind(value.py())) {
            return None;
        }
        self.write_model(out, value, shape, types, 0)
    }

    fn write_model(
        &self,
        out: &mut Vec<u8>,
        value: &Bound<'_, PyAny>,
        shape: &Shape,
        types: &Types,
        depth: usize,
    ) -> Option<()> {
        let py = value.py();
        let held = value.getattr(pyo3::intern!(py, "__dict__")).ok()?;
        let held = held.cast_exact::<PyDict>().ok()?;
        if held.len() != shape.fields.len() || depth >= MAX_DEPTH {
            return None;
        }
        if shape.fields.is_empty() {
            out.extend_from_slice(b"{}");
            return Some(());
        }
        for (field, (name, member)) in shape.fields.iter().zip(held.iter()) {
            // Names of attributes are the same objects nearly always; another order is pydantic's to keep.
            if !name.is(field.name.bind(py)) && !name.eq(field.name.bind(py)).ok()? {
                return None;
            }
            out.extend_from_slice(&field.fragment);
            self.write_member(out, &member, types, depth + 1)?;
        }
        out.push(b'}');
        Some(())
    }

    fn write_member(
        &self,
        out: &mut Vec<u8>,
        value: &Bound<'_, PyAny>,
        types: &Types,
        depth: usize,
    ) -> Option<()> {
        if let Ok(text) = value.cast_exact::<PyString>() {
            write_text(out, text.to_str().ok()?);
        } else if value.is_exact_instance_of::<PyInt>() {
            write_int(out, value).ok()?;
        } else if value.is_none() {
            out.extend_from_slice(b"null");
        } else if let Ok(number) = value.cast_exact::<PyFloat>() {
            write_float(out, number.value());
        } else if let Ok(flag) = value.cast_exact::<PyBool>() {
            out.extend_from_slice(if flag.is_true() { b"true" } else { b"false" });
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            self.write_list(out, list, types, depth)?;
        } else {
            self.write_other(out, value, types, depth)?;
        }
        Some(())
    }

    fn write_other(
        &self,
        out: &mut Vec<u8>,
        value: &Bound<'_, PyAny>,
        types: &Types,
        depth: usize,
    ) -> Option<()> {
        let py = value.py();
        let kind = value.get_type();
        if let Some(shape) = self
            .shapes
            .iter()
            .find(|shape| kind.is(shape.class.bind(py)))
        {
            return self.write_model(out, value, shape, types, depth);
        }
        if types.is_spelled(&kind) {
            return write_value(out, value, types, depth).ok();
        }
        if let Ok(dict) = value.cast_exact::<PyDict>() {
            return self.write_dict(out, dict, types, depth);
        }
        if depth < MAX_DEPTH && types.is_enumeration(value) {
            let inner = value.getattr(pyo3::intern!(py, "value")).ok()?;
            return self.write_member(out, &inner, types, depth + 1);
        }
        None
    }

    fn write_list(
        &self,
        out: &mut Vec<u8>,
        list: &Bound<'_, PyList>,
        types: &Types,
        depth: usize,
    ) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        out.push(b'[');
        for (index, item) in list.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.write_member(out, &item, types, depth + 1)?;
        }
        out.push(b']');
        Some(())
    }

    fn write_dict(
        &self,
        out: &mut Vec<u8>,
        dict: &Bound<'_, PyDict>,
        types: &Types,
        depth: usize,
    ) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        out.push(b'{');
        for (index, (key, item)) in dict.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_text(out, key.cast_exact::<PyString>().ok()?.to_str().ok()?);
            out.push(b':');
            self.write_member(out, &item, types, depth + 1)?;
        }
        out.push(b'}');
        Some(())
    }
}
