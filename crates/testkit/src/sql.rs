//! The little SQL that cases and random settings use in predicates and weights: comparisons, `and or not`, `is null`,
//! `in`, `+ - * /`, `case when`. Nulls follow SQL's three-valued logic.

use std::fmt;

/// An expression that can be evaluated here and, as its text, by the engine.
#[derive(Clone, PartialEq)]
pub struct Expression {
    text: String,
    tree: Tree,
}

/// What an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// True or false.
    Truth(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
}

impl Cell {
    /// Text, or null where there is none.
    #[must_use]
    pub fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.to_owned()))
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// Says what it stumbled over.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0 };
        let tree = parser.either().map_err(|wrong| format!("{wrong} in {text:?}"))?;
        if let Some(left) = parser.tokens.get(parser.at) {
            return Err(format!("did not expect {left:?} in {text:?}"));
        }
        Ok(Self { text: text.to_owned(), tree })
    }

    /// The text for a pipeline file.
    #[must_use]
    pub fn to_sql(&self) -> &str {
        &self.text
    }

    /// The value, where `column` gives the cells of the row. A name that is no column should be [`Cell::Null`].
    pub fn evaluate(&self, column: &dyn Fn(&str) -> Cell) -> Cell {
        self.tree.evaluate(column)
    }

    /// As a predicate: null is false.
    pub fn holds(&self, column: &dyn Fn(&str) -> Cell) -> bool {
        self.evaluate(column) == Cell::Truth(true)
    }

    /// Every column it names.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.tree.columns(&mut names);
        names
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.text)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Constant(Cell),
    Column(String),
    Not(Box<Tree>),
    IsNull(Box<Tree>),
    Two(String, Box<Tree>, Box<Tree>),
    /// Conditions with results, and what holds otherwise.
    Case(Vec<(Tree, Tree)>, Box<Tree>),
}

impl Tree {
    fn evaluate(&self, column: &dyn Fn(&str) -> Cell) -> Cell {
        match self {
            Self::Constant(cell) => cell.clone(),
            Self::Column(name) => column(name),
            Self::Not(inner) => match inner.evaluate(column) {
                Cell::Truth(truth) => Cell::Truth(!truth),
                _ => Cell::Null,
            },
            Self::IsNull(inner) => Cell::Truth(inner.evaluate(column) == Cell::Null),
            Self::Two(operator, one, other) => two(operator, &one.evaluate(column), &other.evaluate(column)),
            Self::Case(branches, otherwise) => {
                let taken = branches.iter().find(|(condition, _)| condition.evaluate(column) == Cell::Truth(true));
                taken.map_or(&**otherwise, |(_, result)| result).evaluate(column)
            }
        }
    }

    fn columns(&self, names: &mut Vec<String>) {
        match self {
            Self::Constant(_) => {}
            Self::Column(name) => names.push(name.clone()),
            Self::Not(inner) | Self::IsNull(inner) => inner.columns(names),
            Self::Two(_, one, other) => [one, other].iter().for_each(|side| side.columns(names)),
            Self::Case(branches, otherwise) => {
                branches.iter().flat_map(|(condition, result)| [condition, result]).for_each(|part| part.columns(names));
                otherwise.columns(names);
            }
        }
    }
}

fn two(operator: &str, one: &Cell, other: &Cell) -> Cell {
    let truth = |cell: &Cell| if let Cell::Truth(truth) = cell { Some(*truth) } else { None };
    match operator {
        "and" if truth(one) == Some(false) || truth(other) == Some(false) => return Cell::Truth(false),
        "or" if truth(one) == Some(true) || truth(other) == Some(true) => return Cell::Truth(true),
        _ if *one == Cell::Null || *other == Cell::Null => return Cell::Null,
        "and" => return Cell::Truth(true),
        "or" => return Cell::Truth(false),
        _ => {}
    }
    let order = match (one, other) {
        (Cell::Number(one), Cell::Number(other)) => {
            match operator {
                "+" => return Cell::Number(one + other),
                "-" => return Cell::Number(one - other),
                "*" => return Cell::Number(one * other),
                "/" => return Cell::Number(one / other),
                _ => {}
            }
            one.partial_cmp(other)
        }
        (Cell::Text(one), Cell::Text(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
        _ => None,
    };
    let Some(order) = order else { return Cell::Null };
    Cell::Truth(match operator {
        "=" => order.is_eq(),
        "<>" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        _ => return Cell::Null,
    })
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, key word or sign, in lower case.
    Word(String),
    Text(String),
    Number(f64),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let (mut found, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let run = |wanted: fn(char) -> bool| rest.find(|other| !wanted(other)).unwrap_or(rest.len());
        let (token, length) = if first == '\'' {
            let end = rest[1..].find('\'').ok_or_else(|| format!("a quote is not closed in {text:?}"))?;
            (Token::Text(rest[1..=end].to_owned()), end + 2)
        } else if first.is_ascii_digit() {
            let length = run(|it| it.is_ascii_digit() || it == '.');
            (Token::Number(rest[..length].parse().map_err(|_| format!("{:?} is no number", &rest[..length]))?), length)
        } else if first.is_alphabetic() || first == '_' {
            let length = run(|it| it.is_alphanumeric() || it == '_');
            (Token::Word(rest[..length].to_lowercase()), length)
        } else {
            let length = if ["<>", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) { 2 } else { first.len_utf8() };
            (Token::Word(rest[..length].to_owned()), length)
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn either(&mut self) -> Result<Tree, String> {
        self.chain(&["or"], Self::both)
    }

    fn both(&mut self) -> Result<Tree, String> {
        self.chain(&["and"], Self::not)
    }

    fn not(&mut self) -> Result<Tree, String> {
        if self.take("not") { Ok(Tree::Not(self.not()?.into())) } else { self.compared() }
    }

    fn compared(&mut self) -> Result<Tree, String> {
        let one = self.sum()?;
        if self.take("is") {
            let not = self.take("not");
            self.expect("null")?;
            let is_null = Tree::IsNull(one.into());
            return Ok(if not { Tree::Not(is_null.into()) } else { is_null });
        }
        let not = self.take("not");
        if not || self.take("in") {
            if not {
                self.expect("in")?;
            }
            self.expect("(")?;
            let equal = |other| Tree::Two("=".to_owned(), Box::new(one.clone()), Box::new(other));
            let mut any = equal(self.sum()?);
            while self.take(",") {
                any = Tree::Two("or".to_owned(), any.into(), equal(self.sum()?).into());
            }
            self.expect(")")?;
            return Ok(if not { Tree::Not(any.into()) } else { any });
        }
        for operator in ["=", "<>", "<=", ">=", "<", ">"] {
            if self.take(operator) {
                return Ok(Tree::Two(operator.to_owned(), one.into(), self.sum()?.into()));
            }
        }
        Ok(one)
    }

    fn sum(&mut self) -> Result<Tree, String> {
        self.chain(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Result<Tree, String> {
        self.chain(&["*", "/"], Self::single)
    }

    fn single(&mut self) -> Result<Tree, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("expected more")?;
        self.at += 1;
        match token {
            Token::Number(number) => Ok(Tree::Constant(Cell::Number(number))),
            Token::Text(text) => Ok(Tree::Constant(Cell::Text(text))),
            Token::Word(word) => match word.as_str() {
                "(" => {
                    let inner = self.either()?;
                    self.expect(")")?;
                    Ok(inner)
                }
                "-" => Ok(Tree::Two("-".to_owned(), Tree::Constant(Cell::Number(0.0)).into(), self.single()?.into())),
                "null" => Ok(Tree::Constant(Cell::Null)),
                "true" | "false" => Ok(Tree::Constant(Cell::Truth(word == "true"))),
                "case" => self.case(),
                _ if word.starts_with(|first: char| first.is_alphabetic() || first == '_') => Ok(Tree::Column(word)),
                _ => Err(format!("did not expect {word:?}")),
            },
        }
    }

    fn case(&mut self) -> Result<Tree, String> {
        let mut branches = Vec::new();
        while self.take("when") {
            let condition = self.either()?;
            self.expect("then")?;
            branches.push((condition, self.either()?));
        }
        let otherwise = if self.take("else") { self.either()? } else { Tree::Constant(Cell::Null) };
        self.expect("end")?;
        Ok(Tree::Case(branches, otherwise.into()))
    }

    fn chain(&mut self, operators: &[&str], part: fn(&mut Self) -> Result<Tree, String>) -> Result<Tree, String> {
        let mut tree = part(self)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            tree = Tree::Two((*operator).to_owned(), tree.into(), part(self)?.into());
        }
        Ok(tree)
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.tokens.get(self.at) == Some(&Token::Word(word.to_owned()));
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) { Ok(()) } else { Err(format!("expected {word:?}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Cell {
        let column = |name: &str| match name {
            "channel" => Cell::Text("paid".to_owned()),
            "position" => Cell::Number(2.0),
            _ => Cell::Null,
        };
        Expression::parse(text).expect(text).evaluate(&column)
    }

    #[test]
    fn predicates_are_three_valued() {
        for (text, truth) in [
            ("channel = 'paid'", Some(true)),
            ("channel <> 'paid'", Some(false)),
            ("campaign <> 'spring'", None),
            ("not campaign = 'spring'", None),
            ("campaign not in ('spring', 'autumn')", None),
            ("channel not in ('direct', 'social')", Some(true)),
            ("campaign is null and channel is not null", Some(true)),
            ("campaign = 'x' or channel = 'paid'", Some(true)),
            ("campaign = 'x' and channel = 'email'", Some(false)),
            ("CHANNEL IN ('email', 'paid')", Some(true)),
            ("not (channel = 'email' or position >= 3)", Some(true)),
        ] {
            assert_eq!(value(text), truth.map_or(Cell::Null, Cell::Truth), "{text}");
        }
    }

    #[test]
    fn weights_are_numbers() {
        assert_eq!(value("1.0 / (1.0 + position * 1.5)"), Cell::Number(0.25));
        assert_eq!(value("5 - position - 1"), Cell::Number(2.0));
        assert_eq!(value("-position"), Cell::Number(-2.0));
        assert_eq!(value("case when position = 1 then 40 when channel = 'paid' then 5 else 0 end"), Cell::Number(5.0));
        assert_eq!(Expression::parse("a + b * a").expect("fine").columns(), ["a", "b", "a"]);
        for wrong in ["", "channel =", "(1", "1 2", "case when 1 then 2", "'open", "1 ; 2"] {
            assert!(Expression::parse(wrong).is_err(), "{wrong}");
        }
    }
}
