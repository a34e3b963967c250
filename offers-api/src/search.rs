//! Full-text search in the syntax of web search engines: words, "phrases", `-not` and `or`.
//!
//! A query is parsed here once, so that both databases get the same one: PostgreSQL in the syntax of
//! `websearch_to_tsquery`, SQLite in that of FTS5. PostgreSQL compares stems and ignores stop words;
//! SQLite compares the beginnings of words, and knows no stems.

use std::{fmt::Write, ops::RangeInclusive};

use entity::offer;
use sea_orm::{
    ColumnTrait, DbBackend, IntoSimpleExpr,
    sea_query::{
        Alias, Expr, ExprTrait, Func, Query,
        extension::{postgres::PgExpr, sqlite::SqliteExpr},
    },
};

/// Maximum length of a query, in characters.
const MAX_SEARCH_CHARS: usize = 200;
/// The text search configuration of PostgreSQL, which stems Russian and English. That of the index.
const CONFIGURATION: &str = "russian";
/// The FTS5 table of SQLite.
const FTS5_TABLE: &str = "offers_search";

/// A valid search.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Search {
    /// The parts of the query between each `or`.
    alternatives: Vec<Alternative>,
}

/// Terms of which every wanted and no excluded one must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Alternative {
    wanted: Vec<Term>,
    excluded: Vec<Term>,
}

/// A word or a phrase, which contains a letter or a digit and no quotation mark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Term {
    text: String,
    is_phrase: bool,
}

impl Search {
    /// Parses a query. Returns `None` if it is blank.
    ///
    /// # Errors
    /// The requirement that the query breaks. A query without a wanted word is an error: no index
    /// finds what a text does not contain.
    pub(crate) fn parse(query: &str) -> Result<Option<Self>, &'static str> {
        if query.chars().nth(MAX_SEARCH_CHARS).is_some() || query.contains('\0') {
            return Err("must have at most 200 characters, none of them NUL");
        }
        if query.trim().is_empty() {
            return Ok(None);
        }
        let mut alternatives = vec![Alternative::default()];
        let mut rest = query.trim_start();
        while !rest.is_empty() {
            let dashes = rest.len() - rest.trim_start_matches('-').len();
            let (term, tail) = take_term(&rest[dashes..]);
            rest = tail.trim_start();
            // As PostgreSQL has it: "or," is an `or`, "or-" is a word.
            let word =
                term.text.trim_end_matches(|c: char| !c.is_alphanumeric() && !"-_".contains(c));
            if !term.is_phrase && dashes == 0 && word.eq_ignore_ascii_case("or") {
                alternatives.push(Alternative::default());
            } else if let Some(alternative) = alternatives.last_mut()
                && term.text.chars().any(char::is_alphanumeric)
            {
                let is_excluded = dashes % 2 == 1;
                let Alternative { wanted, excluded } = alternative;
                if is_excluded { excluded } else { wanted }.push(term);
            }
        }
        // An `or` without a term on one of its sides has no meaning.
        alternatives.retain(|one| *one != Alternative::default());
        if alternatives.is_empty() || alternatives.iter().any(|one| one.wanted.is_empty()) {
            return Err(
                "must have a word to search for, besides excluded ones, in each alternative",
            );
        }
        Ok(Some(Self { alternatives }))
    }

    /// Returns the condition that an offer matches. It must be in `ids`, so that SQLite does not look
    /// for others.
    pub(crate) fn condition(&self, backend: DbBackend, ids: RangeInclusive<i64>) -> Expr {
        if backend == DbBackend::Postgres {
            // As in the index: an expression with parameters would be another one.
            let constant = |text: &str| Expr::Constant(text.into());
            let title = offer::Column::Title.into_simple_expr();
            let text = title.concat(constant(" ")).concat(offer::Column::Text.into_simple_expr());
            let document = Func::cust("to_tsvector").args([constant(CONFIGURATION), text]);
            let query = [constant(CONFIGURATION), Expr::val(self.to_websearch())];
            let query = Func::cust("websearch_to_tsquery").args(query);
            return PgExpr::matches(Expr::from(document), query);
        }
        let row_id = || Expr::col(Alias::new("rowid"));
        let mut matches = Query::select();
        matches.expr(row_id()).from(Alias::new(FTS5_TABLE));
        let table = Expr::col(Alias::new(FTS5_TABLE));
        matches.and_where(SqliteExpr::matches(table, self.to_fts5()));
        matches.and_where(row_id().between(*ids.start(), *ids.end()));
        offer::Column::Id.in_subquery(matches)
    }

    /// Returns the query for `websearch_to_tsquery`.
    fn to_websearch(&self) -> String {
        let mut query = String::new();
        for (index, Alternative { wanted, excluded }) in self.alternatives.iter().enumerate() {
            query.push_str(if index == 0 { "" } else { "or " });
            for (sign, terms) in [("", wanted), ("-", excluded)] {
                for Term { text, is_phrase } in terms {
                    let quote = if *is_phrase { "\"" } else { "" };
                    // Writing to a string cannot fail.
                    let _ = write!(query, "{sign}{quote}{text}{quote} ");
                }
            }
        }
        query
    }

    /// Returns the query for FTS5. Every term is a string of FTS5, so nothing in it is syntax.
    fn to_fts5(&self) -> String {
        let join = |terms: &[Term], operator: &str| {
            let terms = terms.iter().map(|Term { text, is_phrase }| {
                let prefix = if *is_phrase { "" } else { "*" };
                format!("\"{text}\"{prefix}")
            });
            terms.collect::<Vec<_>>().join(operator)
        };
        let alternatives = self.alternatives.iter().map(|Alternative { wanted, excluded }| {
            let wanted = join(wanted, " AND ");
            match &excluded[..] {
                [] => format!("({wanted})"),
                excluded => format!("(({wanted}) NOT ({}))", join(excluded, " OR ")),
            }
        });
        alternatives.collect::<Vec<_>>().join(" OR ")
    }
}

/// Splits the first term from the rest. A quotation mark without a partner is a space.
fn take_term(text: &str) -> (Term, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        return match quoted.split_once('"') {
            Some((phrase, rest)) => (Term { text: phrase.to_owned(), is_phrase: true }, rest),
            None => (Term { text: String::new(), is_phrase: false }, quoted),
        };
    }
    let end = text.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (Term { text: word.to_owned(), is_phrase: false }, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Search {
        Search::parse(query).unwrap().unwrap_or_else(|| panic!("{query} is blank"))
    }

    #[test]
    fn syntax_is_that_of_web_search_engines() {
        for (query, websearch, fts5) in [
            ("red  bike", "red bike ", r#"("red"* AND "bike"*)"#),
            ("\"red bike\" new", "\"red bike\" new ", r#"("red bike" AND "new"*)"#),
            ("bike -red -\"a b\"", "bike -red -\"a b\" ", r#"(("bike"*) NOT ("red"* OR "a b"))"#),
            ("-red bike", "bike -red ", r#"(("bike"*) NOT ("red"*))"#),
            (
                "bike or car OR Or bus",
                "bike or car or bus ",
                r#"("bike"*) OR ("car"*) OR ("bus"*)"#,
            ),
            ("bike or, car", "bike or car ", r#"("bike"*) OR ("car"*)"#),
            ("or bike or", "bike ", r#"("bike"*)"#),
            ("--bike", "bike ", r#"("bike"*)"#),
            ("a - b & ! | c", "a b c ", r#"("a"* AND "b"* AND "c"*)"#),
            ("\"or\" \"bike", "\"or\" bike ", r#"("or" AND "bike"*)"#),
            ("e-mail C++", "e-mail C++ ", r#"("e-mail"* AND "C++"*)"#),
            ("стул 🪑", "стул ", r#"("стул"*)"#),
            ("title:a* NEAR(b)", "title:a* NEAR(b) ", r#"("title:a*"* AND "NEAR(b)"*)"#),
        ] {
            let search = parse(query);
            assert_eq!((&*search.to_websearch(), &*search.to_fts5()), (websearch, fts5), "{query}");
            assert_eq!(parse(&search.to_websearch()), search, "{query}");
        }
    }

    #[test]
    fn blank_query_is_none() {
        for blank in ["", " ", "\t\n\u{a0}"] {
            assert_eq!(Search::parse(blank), Ok(None));
        }
    }

    #[test]
    fn query_needs_a_wanted_word() {
        for bad in ["-bike", "a or -b", "!", "\"\"", "-", "or", "🪑", "\" \" -\"a\"", "---a"] {
            assert!(Search::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn length_is_limited() {
        assert!(Search::parse(&"я".repeat(200)).is_ok());
        assert!(Search::parse(&"я".repeat(201)).is_err());
        assert!(Search::parse(&"a ".repeat(1 << 17)).is_err());
        assert!(Search::parse("a\0b").is_err());
    }
}
