//! Values of schemas to JSON, straight from what they hold; the twin is `covet/accel/twins/models.py`.
//!
//! The bytes are those of pydantic for the same values. What is not exactly as the schemas declare it (a subclass, a
//! field that was left out, a value that someone assigned) is answered with None: pydantic knows what to do with it.

use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

use crate::output::{Output, Prepared};
use crate::rows::{MAX_DEPTH, Types, write_int, write_value};

/// One field: its attribute, and the text before its value (`{"id":`, `,"title":`).
struct Field {
    name: Py<PyString>,
    fragment: Prepared,
}

/// One class and its fields, in the order in which its values hold them.
struct Shape {
    class: Py<PyType>,
    fields: Vec<Field>,
}

impl Shape {
    /// Whether a value is of this very class. Pointers are compared: a class would have to be counted.
    fn is_of(&self, value: &Bound<'_, PyAny>) -> bool {
        std::ptr::addr_eq(value.get_type_ptr(), self.class.as_ptr())
    }
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
        let mut walk = self.walk(py)?;
        Ok(walk
            .write_outermost(value)
            .map(|()| PyBytes::new(py, walk.out.written())))
    }

    /// Return a list of values as JSON, or None.
    fn many<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyList>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let mut walk = self.walk(py)?;
        walk.out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                walk.out.push(b',');
            }
            if walk.write_outermost(&value).is_none() {
                return Ok(None);
            }
            if index == 0 {
                // A tenth for those that are longer than the first.
                let size = walk.out.written().len();
                walk.out.reserve(values.len() * (size + size / 10));
            }
        }
        walk.out.push(b']');
        Ok(Some(PyBytes::new(py, walk.out.written())))
    }
}

impl ModelWriter {
    fn walk(&self, py: Python<'_>) -> PyResult<Walk<'_>> {
        Ok(Walk {
            shapes: &self.shapes,
            types: Types::get(py)?,
            out: Output::new(),
        })
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
                fragment: Prepared::new(fragment.cast::<PyBytes>()?.as_bytes()),
            })
        });
    Ok(Shape {
        class: shape.get_item(0)?.cast_into::<PyType>()?.unbind(),
        fields: fields.collect::<PyResult<_>>()?,
    })
}

/// One text that is being written.
struct Walk<'a> {
    shapes: &'a [Shape],
    types: &'a Types,
    out: Output,
}

impl Walk<'_> {
    fn write_outermost(&mut self, value: &Bound<'_, PyAny>) -> Option<()> {
        let shape = self.shapes.first()?;
        if !shape.is_of(value) {
            return None;
        }
        self.write_model(value, shape, 0)
    }

    fn write_model(&mut self, value: &Bound<'_, PyAny>, shape: &Shape, depth: usize) -> Option<()> {
        let py = value.py();
        let held = value.getattr(pyo3::intern!(py, "__dict__")).ok()?;
        let members = held.cast_into_exact::<PyDict>().ok()?.into_iter();
        if members.len() != shape.fields.len() || depth >= MAX_DEPTH {
            return None;
        }
        if shape.fields.is_empty() {
            self.out.put(b"{}");
            return Some(());
        }
        for (field, (name, member)) in shape.fields.iter().zip(members) {
            // Names of attributes are the same objects nearly always; another order is pydantic's to keep.
            if !name.is(&field.name) && !name.eq(&field.name).ok()? {
                return None;
            }
            self.out.put_prepared(&field.fragment);
            self.write_member(&member, depth + 1)?;
        }
        self.out.push(b'}');
        Some(())
    }

    #[inline]
    fn write_member(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Option<()> {
        // A cast that fails would count both classes for its error, so the class is looked at first.
        let py = value.py();
        let kind = value.get_type_ptr();
        if kind == PyString::type_object_raw(py) {
            let text = value.cast_exact::<PyString>().ok()?;
            self.out.put_text(text.to_str().ok()?);
        } else if kind == PyInt::type_object_raw(py) {
            write_int(&mut self.out, value).ok()?;
        } else if value.is_none() {
            self.out.put_null();
        } else if kind == PyFloat::type_object_raw(py) {
            self.out
                .put_float(value.cast_exact::<PyFloat>().ok()?.value());
        } else if kind == PyBool::type_object_raw(py) {
            self.out
                .put_bool(value.cast_exact::<PyBool>().ok()?.is_true());
        } else {
            self.write_other(value, depth)?;
        }
        Some(())
    }

    #[inline(never)]
    fn write_other(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Option<()> {
        let py = value.py();
        if value.is_exact_instance_of::<PyList>() {
            return self.write_list(value.cast_exact().ok()?, depth);
        }
        if let Some(shape) = self.shapes.iter().find(|shape| shape.is_of(value)) {
            return self.write_model(value, shape, depth);
        }
        if self.types.is_spelled(&value.get_type()) {
            return write_value(&mut self.out, value, self.types, depth).ok();
        }
        if value.is_exact_instance_of::<PyDict>() {
            return self.write_dict(value.cast_exact().ok()?, depth);
        }
        if depth < MAX_DEPTH && self.types.is_enumeration(value) {
            let inner = value.getattr(pyo3::intern!(py, "value")).ok()?;
            return self.write_member(&inner, depth + 1);
        }
        None
    }

    fn write_list(&mut self, list: &Bound<'_, PyList>, depth: usize) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.out.push(b'[');
        for (index, item) in list.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.write_member(&item, depth + 1)?;
        }
        self.out.push(b']');
        Some(())
    }

    fn write_dict(&mut self, dict: &Bound<'_, PyDict>, depth: usize) -> Option<()> {
        if depth >= MAX_DEPTH {
            return None;
        }
        self.out.push(b'{');
        for (index, (key, item)) in dict.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let key = key.cast_exact::<PyString>().ok()?;
            self.out.put_text(key.to_str().ok()?);
            self.out.push(b':');
            self.write_member(&item, depth + 1)?;
        }
        self.out.push(b'}');
        Some(())
    }
}
