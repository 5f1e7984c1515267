//! The TOML text as a tree that knows where everything stands, with `--set` applied, and its canonical text.

use sha2::{Digest, Sha256};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, Place, Problem};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub item: Item,
}

/// A value of TOML.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Moment(toml::value::Datetime),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub name: String,
    /// Where the key stands.
    pub place: Place,
    pub node: Node,
}

impl Node {
    /// The root table of a pipeline file.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let lines = Lines::new(text);
        let syntax = |error: toml::de::Error| {
            let mut problem = error.message().replace('\n', ", ");
            // Which key it is only the text says.
            if let (true, Some(key)) = (problem == "duplicate key", error.span().and_then(|span| text.get(span))) {
                problem = format!("{problem} {key}");
            }
            Fault {
                place: error.span().map(|span| lines.place(span.start)),
                key: String::new(),
                problem: Problem::Syntax(problem),
            }
        };
        let root = DeTable::parse(text).map_err(syntax)?;
        Ok(Self { place: lines.place(0), item: Item::Table(entries(root.get_ref(), &|at| lines.place(at))?) })
    }

    /// The value of a key of this table; none if this is no table.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match &self.item {
            Item::Table(entries) => entries.iter().find(|entry| entry.name == name).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The text of a key of this table.
    pub fn get_text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.item {
            Item::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What a model or table is called in messages and behind `--set`.
    pub fn label(&self) -> Option<&str> {
        [self.get_text("name"), self.get_text("kind")].into_iter().flatten().find(|label| !label.trim().is_empty())
    }

    /// The value as people see it in a message.
    pub fn describe(&self) -> String {
        match &self.item {
            Item::Text(text) => format!("the text {text:?}"),
            Item::Integer(number) => format!("the number {number}"),
            Item::Float(number) => format!("the number {number}"),
            Item::Boolean(truth) => format!("{truth}"),
            Item::Moment(moment) => format!("the date {moment}"),
            Item::List(_) => "a list".to_owned(),
            Item::Table(_) => "a table".to_owned(),
        }
    }

    /// Applies one `--set key=value` to the root table. Keys are dotted; a model or table is meant by its name or its
    /// place. The value is TOML, or text where it is not.
    pub fn set(&mut self, assignment: &str) -> Result<(), Fault> {
        let wrong = || Fault { place: Some(Place::Set), key: String::new(), problem: Problem::SetSyntax(assignment.to_owned()) };
        let (key, value) = assignment.split_once('=').ok_or_else(wrong)?;
        let path = dotted(key).ok_or_else(wrong)?;
        let node = match DeValue::parse(value.trim()) {
            Ok(value) => node(&value, &|_| Place::Set)?,
            Err(_) => Self { place: Place::Set, item: Item::Text(value.to_owned()) },
        };
        self.replace(&path, 0, node)
    }

    fn replace(&mut self, path: &[String], depth: usize, new: Self) -> Result<(), Fault> {
        let Some(name) = path.get(depth) else {
            *self = new;
            return Ok(());
        };
        let fault = |problem| Fault { place: Some(Place::Set), key: path.join("."), problem };
        let described = self.describe();
        match &mut self.item {
            Item::Table(entries) => {
                let place = entries.iter().position(|entry| entry.name == *name).unwrap_or_else(|| {
                    let empty = Self { place: Place::Set, item: Item::Table(Vec::new()) };
                    entries.push(Entry { name: name.clone(), place: Place::Set, node: empty });
                    entries.len() - 1
                });
                if depth + 1 == path.len() {
                    entries[place].place = Place::Set;
                }
                entries[place].node.replace(path, depth + 1, new)
            }
            Item::List(items) if depth > 0 && items.iter().all(|item| matches!(item.item, Item::Table(_))) => {
                let by_name = items.iter().position(|item| item.label() == Some(name));
                let by_place = || name.parse().ok().filter(|place| *place < items.len());
                let Some(place) = by_name.or_else(by_place) else {
                    let found =
                        items.iter().enumerate().map(|(place, item)| item.label().map_or(place.to_string(), str::to_owned));
                    let section = path[..depth].join(".");
                    return Err(fault(Problem::NoEntry { section, entry: name.clone(), found: found.collect() }));
                };
                items[place].replace(path, depth + 1, new)
            }
            _ => {
                let expected = format!("{} to be a table", path[..depth].join("."));
                Err(fault(Problem::WrongType { expected, found: described }))
            }
        }
    }

    /// Replaces every text of the tree, given its dotted key.
    pub fn for_each_text(
        &mut self,
        key: &str,
        change: &mut impl FnMut(&str, Place, &mut String) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match &mut self.item {
            Item::Text(text) => change(key, self.place, text)?,
            Item::List(items) => {
                for (place, item) in items.iter_mut().enumerate() {
                    let key = join(key, &item.label().map_or_else(|| place.to_string(), str::to_owned));
                    item.for_each_text(&key, change)?;
                }
            }
            Item::Table(entries) => {
                for entry in entries {
                    entry.node.for_each_text(&join(key, &entry.name), change)?;
                }
            }
            Item::Integer(_) | Item::Float(_) | Item::Boolean(_) | Item::Moment(_) => {}
        }
        Ok(())
    }

    /// Visits every value of the tree but its root, with its dotted key.
    pub fn for_each(&self, key: &str, visit: &mut impl FnMut(&str, Place)) {
        if !key.is_empty() {
            visit(key, self.place);
        }
        match &self.item {
            Item::List(items) => {
                for (place, item) in items.iter().enumerate() {
                    item.for_each(&join(key, &item.label().map_or_else(|| place.to_string(), str::to_owned)), visit);
                }
            }
            Item::Table(entries) => entries.iter().for_each(|entry| entry.node.for_each(&join(key, &entry.name), visit)),
            _ => {}
        }
    }

    /// The SHA-256 of the canonical text: TOML with sorted keys, in which layout, comments and the order of keys are gone, and
    /// so are sections that are empty.
    pub fn fingerprint(&self) -> String {
        let table = match self.value("", &[], true) {
            Some(toml::Value::Table(table)) => table,
            _ => toml::Table::new(),
        };
        sha256(&table.to_string())
    }

    /// The text of the root table, a line for each section, keys in the file's order: reading it gives the same tree. Layout
    /// and comments are gone, and so are the dotted keys in `without`.
    pub fn text(&self, without: &[&str]) -> String {
        let Some(toml::Value::Table(sections)) = self.value("", without, false) else { return String::new() };
        // Inline, as only so every table keeps the order of its keys.
        let line = |(name, section): (String, toml::Value)| format!("{} = {section}\n", toml::Value::String(name));
        sections.into_iter().map(line).collect()
    }

    fn value(&self, key: &str, without: &[&str], sort: bool) -> Option<toml::Value> {
        if without.contains(&key) {
            return None;
        }
        Some(match &self.item {
            Item::Text(text) => toml::Value::String(text.clone()),
            Item::Integer(number) => toml::Value::Integer(*number),
            Item::Float(number) => toml::Value::Float(*number),
            Item::Boolean(truth) => toml::Value::Boolean(*truth),
            Item::Moment(moment) => toml::Value::Datetime(*moment),
            // Keys inside a list are never left out.
            Item::List(items) => toml::Value::Array(items.iter().filter_map(|item| item.value("", &[], sort)).collect()),
            Item::Table(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                if sort {
                    entries.sort_by_key(|entry| entry.name.as_str());
                }
                let values = entries
                    .into_iter()
                    .filter_map(|entry| Some((entry.name.clone(), entry.node.value(&join(key, &entry.name), without, sort)?)));
                let table: toml::Table = values.collect();
                if table.is_empty() && sort {
                    return None;
                }
                toml::Value::Table(table)
            }
        })
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(super) fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `name` inside of the section `key`.
pub(super) fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// The parts of a dotted key; none where it is no key.
fn dotted(key: &str) -> Option<Vec<String>> {
    let text = format!("{key} = 0");
    let table = DeTable::parse(&text).ok()?;
    let mut path = Vec::new();
    let mut inner = table.get_ref();
    loop {
        let (name, value) = inner.iter().next().filter(|_| inner.len() == 1)?;
        path.push(name.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(table) => inner = table,
            DeValue::Integer(_) => return Some(path),
            _ => return None,
        }
    }
}

fn entries(table: &DeTable<'_>, place: &impl Fn(usize) -> Place) -> Result<Vec<Entry>, Fault> {
    let entry = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: &Spanned<std::borrow::Cow<'_, str>> = name;
        Ok(Entry { name: name.get_ref().to_string(), place: place(name.span().start), node: node(value, place)? })
    };
    table.iter().map(entry).collect()
}

fn node(value: &Spanned<DeValue<'_>>, place: &impl Fn(usize) -> Place) -> Result<Node, Fault> {
    let at = place(value.span().start);
    let too_large = |number: &str| Fault {
        place: Some(at),
        key: String::new(),
        problem: Problem::Syntax(format!("{number} is too large a number")),
    };
    let item = match value.get_ref() {
        DeValue::String(text) => Item::Text(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Item::Integer(parsed.map_err(|_| too_large(number.as_str()))?)
        }
        DeValue::Float(number) => Item::Float(number.as_str().parse().map_err(|_| too_large(number.as_str()))?),
        DeValue::Boolean(truth) => Item::Boolean(*truth),
        DeValue::Datetime(moment) => Item::Moment(*moment),
        DeValue::Array(items) => Item::List(items.iter().map(|item| node(item, place)).collect::<Result<_, _>>()?),
        DeValue::Table(table) => Item::Table(entries(table, place)?),
    };
    Ok(Node { place: at, item })
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let after_each = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after_each).collect() }
    }

    fn place(&self, at: usize) -> Place {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at);
        let before = self.text.get(self.starts[line - 1]..at).unwrap_or_default();
        Place::At { line: line as u32, column: before.chars().count() as u32 + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Node {
        Node::parse(text).expect("TOML")
    }

    #[test]
    fn everything_knows_where_it_stands() {
        let root = parse("[pipeline]\nname = 'x'\n\n[[model]]\nkind = 'linear'\n[[model]]\n  \"å\" = 1\n");
        let at = |line, column| Place::At { line, column };
        let Item::Table(sections) = &root.item else { panic!("a table") };
        assert_eq!(sections[0].place, at(1, 2));
        assert_eq!(root.get("pipeline").and_then(|it| it.get("name")).map(|it| it.place), Some(at(2, 8)));
        let Some(Item::List(models)) = root.get("model").map(|it| &it.item) else { panic!("a list") };
        assert_eq!(models[1].place, at(6, 1));
        assert_eq!(models[1].get("å").map(|it| it.place), Some(at(7, 9)));
    }

    #[test]
    fn the_fingerprint_is_of_the_meaning() {
        let one = parse("[pipeline]\nname = 'a'\ncurrency = 'SEK'\n[output]\nkeep = 3\n[[model]]\nkind = 'linear'\n");
        let same =
            parse("# here\npipeline = { currency = \"SEK\", name = \"a\" }\nmodel = [{ kind = 'linear' }]\noutput.keep = 3\n");
        assert_eq!(one.fingerprint(), same.fingerprint());
        let other = parse("[pipeline]\nname = 'b'\ncurrency = 'SEK'\n[output]\nkeep = 3\n[[model]]\nkind = 'linear'\n");
        assert_ne!(one.fingerprint(), other.fingerprint());
        let reordered = parse("[[model]]\nkind = 'linear'\n[[model]]\nkind = 'any_touch'\n");
        let order = parse("[[model]]\nkind = 'any_touch'\n[[model]]\nkind = 'linear'\n");
        assert_ne!(reordered.fingerprint(), order.fingerprint());
    }

    #[test]
    fn the_text_is_the_tree_in_its_order() {
        let root = parse(
            "[z]\nb = \"it's \\\"so\\\"\\n\"\na = { y = 1.5, x.w = [{ q = true, p = 2026-01-31 }, {}] }\n\n# a list\n[[m]]\nz = 1\n[m.n]\n\
             [[m]]\n[\"é.ä\"]\n",
        );
        let again = parse(&root.text(&[]));
        assert_eq!(again.text(&[]), root.text(&[]));
        let names = |node: &Node, key: &str| match node.get(key).map(|node| &node.item) {
            Some(Item::Table(entries)) => entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>(),
            _ => panic!("a table"),
        };
        assert_eq!((names(&again, "z"), names(&again, "é.ä")), (vec!["b".to_owned(), "a".to_owned()], vec![]));
        assert_eq!(again.fingerprint(), root.fingerprint());
        assert_eq!(root.text(&["z.a", "m", "é.ä"]), parse("z = { b = \"it's \\\"so\\\"\\n\" }").text(&[]));
    }

    #[test]
    fn set_reaches_every_key() {
        let mut root = parse("[pipeline]\nname = 'a'\n[[model]]\nkind = 'linear'\n[[model]]\nname = 'x'\nkind = 'time_decay'\n");
        for assignment in [
            "pipeline.name=b=c",
            "output.paths=0",
            "journey.windows=[\"7d\"]",
            "model.0.per=channel",
            "model.x.half_life=3d",
            "model.time_decay.half_life = 4d",
            "journey.\"interaction_windows\".view=\"1d\"",
        ] {
            let set = root.set(assignment);
            assert_eq!(set.is_err(), assignment.starts_with("model.time_decay."), "{assignment}");
        }
        let same = parse(
            "[pipeline]\nname = 'b=c'\n[output]\npaths = 0\n[journey]\nwindows = ['7d']\ninteraction_windows = { view = '1d' }\n\
             [[model]]\nkind = 'linear'\nper = 'channel'\n[[model]]\nname = 'x'\nkind = 'time_decay'\nhalf_life = '3d'\n",
        );
        assert_eq!(root.fingerprint(), same.fingerprint());
    }
}
