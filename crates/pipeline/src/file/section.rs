//! A small typed reader over the tree: sections whose keys are known, and values of an expected type.

use super::document::{Entry, Item, Node, join};
use super::error::{Fault, Place, Problem};

/// A table whose keys are all known.
pub(super) struct Section<'a> {
    key: String,
    place: Option<Place>,
    entries: &'a [Entry],
}

impl<'a> Section<'a> {
    /// The file's root table.
    pub fn root(node: &'a Node, known: &[&str]) -> Result<Self, Fault> {
        Field { key: String::new(), place: node.place, node }.section(known)
    }

    /// A section inside of this one; empty where it is not there.
    pub fn section(&self, name: &str, known: &[&str]) -> Result<Self, Fault> {
        match self.get(name) {
            Some(field) => field.section(known),
            None => Ok(Self { key: join(&self.key, name), place: self.place, entries: &[] }),
        }
    }

    /// The value of a key.
    pub fn get(&self, name: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        Some(Field { key: join(&self.key, name), place: entry.place, node: &entry.node })
    }

    /// The value of a key that has to be there; `example` is a line that would do.
    pub fn need(&self, name: &str, example: &str) -> Result<Field<'a>, Fault> {
        self.get(name).ok_or_else(|| self.missing(name, example))
    }

    /// A key of this section is not there but should be.
    pub fn missing(&self, name: &str, example: &str) -> Fault {
        Fault { place: self.place, key: join(&self.key, name), problem: Problem::Missing { example: example.to_owned() } }
    }

    /// Something is wrong with a key of this section, or with what it would have to be.
    pub fn fault(&self, name: &str, problem: Problem) -> Fault {
        let place = self.get(name).map(|field| field.node.place).or(self.place);
        Fault { place, key: join(&self.key, name), problem }
    }
}

/// A value and the key it stands behind.
pub(super) struct Field<'a> {
    pub key: String,
    /// Where the key stands.
    place: Place,
    pub node: &'a Node,
}

impl<'a> Field<'a> {
    /// A text that is not blank.
    pub fn text(&self) -> Result<&'a str, Fault> {
        match &self.node.item {
            Item::Text(text) if text.trim().is_empty() => {
                Err(self.fault(Problem::invalid("expected a text, found an empty one")))
            }
            Item::Text(text) => Ok(text),
            _ => Err(self.wrong("a text")),
        }
    }

    /// True or false.
    pub fn boolean(&self) -> Result<bool, Fault> {
        match self.node.item {
            Item::Boolean(truth) => Ok(truth),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A whole number from 0 on.
    pub fn count(&self) -> Result<usize, Fault> {
        match self.node.item {
            Item::Integer(number) => usize::try_from(number).map_err(|_| self.wrong("a whole number from 0 on")),
            _ => Err(self.wrong("a whole number from 0 on")),
        }
    }

    /// A number.
    pub fn number(&self) -> Result<f64, Fault> {
        match self.node.item {
            Item::Integer(number) => Ok(number as f64),
            Item::Float(number) if number.is_finite() => Ok(number),
            _ => Err(self.wrong("a number")),
        }
    }

    /// One of some words, as what it stands for.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Fault> {
        let found = self.text()?;
        let known = || choices.iter().map(|(word, _)| (*word).to_owned()).collect();
        let chosen = choices.iter().find(|(word, _)| *word == found).map(|(_, meaning)| *meaning);
        chosen.ok_or_else(|| self.fault(Problem::UnknownWord { found: found.to_owned(), choices: known() }))
    }

    /// The values of a list of texts; `example` is one that would do.
    pub fn words(&self, example: &str) -> Result<Vec<Field<'a>>, Fault> {
        let expected = format!("a list of texts, such as {example}");
        let Item::List(items) = &self.node.item else { return Err(self.wrong(&expected)) };
        let fields: Vec<_> = items.iter().map(|node| Field { key: self.key.clone(), place: node.place, node }).collect();
        for field in &fields {
            field.text().map_err(|fault| match fault.problem {
                Problem::WrongType { .. } => field.wrong(&expected),
                _ => fault,
            })?;
        }
        Ok(fields)
    }

    /// The same, none of them twice.
    pub fn texts(&self, example: &str) -> Result<Vec<Field<'a>>, Fault> {
        let fields = self.words(example)?;
        for (place, field) in fields.iter().enumerate() {
            let text = field.text()?;
            if fields[..place].iter().any(|earlier| matches!(&earlier.node.item, Item::Text(earlier) if earlier == text)) {
                return Err(field.fault(Problem::Twice(text.to_owned())));
            }
        }
        Ok(fields)
    }

    /// A table whose keys are free.
    pub fn entries(&self, expected: &str) -> Result<Vec<(&'a str, Field<'a>)>, Fault> {
        let Item::Table(entries) = &self.node.item else { return Err(self.wrong(expected)) };
        let field = |entry: &'a Entry| {
            (entry.name.as_str(), Field { key: join(&self.key, &entry.name), place: entry.place, node: &entry.node })
        };
        Ok(entries.iter().map(field).collect())
    }

    /// A table whose keys are all known.
    pub fn section(&self, known: &[&str]) -> Result<Section<'a>, Fault> {
        let Item::Table(entries) = &self.node.item else { return Err(self.wrong("a table")) };
        if let Some(entry) = entries.iter().find(|entry| !known.contains(&entry.name.as_str())) {
            let known = known.iter().map(|name| (*name).to_owned()).collect();
            let problem = Problem::UnknownKey { name: entry.name.clone(), known };
            return Err(Fault { place: Some(entry.place), key: join(&self.key, &entry.name), problem });
        }
        let place = if self.key.is_empty() { None } else { Some(self.place) };
        Ok(Section { key: self.key.clone(), place, entries })
    }

    /// The tables of a `[[…]]`, each behind its name, or its place where it has none.
    pub fn tables(&self) -> Result<Vec<Field<'a>>, Fault> {
        let expected = format!("[[{}]] with two brackets", self.key);
        let Item::List(items) = &self.node.item else { return Err(self.wrong(&expected)) };
        let field = |(place, node): (usize, &'a Node)| {
            let key = join(&self.key, &node.label().map_or_else(|| place.to_string(), str::to_owned));
            let field = Field { key, place: node.place, node };
            if matches!(node.item, Item::Table(_)) { Ok(field) } else { Err(field.wrong(&expected)) }
        };
        items.iter().enumerate().map(field).collect()
    }

    /// Something is wrong with the value.
    pub fn fault(&self, problem: Problem) -> Fault {
        Fault { place: Some(self.node.place), key: self.key.clone(), problem }
    }

    /// The value is of the wrong type.
    pub fn wrong(&self, expected: &str) -> Fault {
        self.fault(Problem::WrongType { expected: expected.to_owned(), found: self.node.describe() })
    }
}
