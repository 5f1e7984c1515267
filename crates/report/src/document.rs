//! The page as a whole: its frame, its styles and scripts, and what it is allowed to do, which is nothing but show itself.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::cell::shortened;
use crate::chart::{self, Chart};
use crate::error::ReportError;
use crate::facts::Facts;
use crate::number::things;
use crate::sections::{Block, SectionSpec, range_words};

const STYLE: &str = include_str!("../assets/page.css");

/// The scripts in the order they run. The first ones are libraries, as they were published.
const SCRIPTS: &[&str] = &[
    include_str!("../assets/d3.min.js"),
    include_str!("../assets/plot.min.js"),
    include_str!("../assets/sortable.min.js"),
    include_str!("../assets/sortable.a11y.min.js"),
    include_str!("../assets/page.js"),
];

/// What has to be said wherever these libraries are.
const LICENCES: &[(&str, &str)] = &[
    ("Observable Plot", include_str!("../assets/plot.LICENSE")),
    ("D3", include_str!("../assets/d3.LICENSE")),
    ("sortable", include_str!("../assets/sortable.LICENSE")),
];

/// The style that Observable Plot puts into each chart of the class `drawn`; `make browser` fails where it is another.
const PLOT_STYLE: &str = ":where(.drawn) {
  --plot-background: white;
  display: block;
  height: auto;
  height: intrinsic;
  max-width: 100%;
}
:where(.drawn text),
:where(.drawn tspan) {
  white-space: pre;
}";

/// The whole page, with tables of at most `rows` rows.
pub(crate) fn render(facts: &Facts, sections: &[(&SectionSpec, Vec<Block>)], rows: usize) -> Result<String, ReportError> {
    let mut charts = Vec::new();
    sections.iter().for_each(|(_, blocks)| find_charts(blocks, &mut charts));
    let data = chart::json(&charts)?;
    let title = format!("{} · attribution report", shortened(&facts.run.manifest().pipeline, 80));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the figures" }
                div.frame {
                    (head(facts))
                    div.columns {
                        nav.contents aria-labelledby="contents" {
                            h2 id="contents" { "Contents" }
                            ol { @for (section, _) in sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                        }
                        main id="main" tabindex="-1" {
                            @for (section, content) in sections {
                                section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                                    h2 id={ (section.id) "-title" } { (section.title) }
                                    (blocks(content, rows))
                                }
                            }
                            (foot(facts))
                        }
                    }
                }
                script type="application/json" id="charts" { (PreEscaped(data)) }
                @for script in SCRIPTS { script { (PreEscaped(script)) } }
            }
        }
    };
    Ok(page.into_string())
}

fn head(facts: &Facts) -> Markup {
    let manifest = facts.run.manifest();
    html! {
        header.top {
            p.kind { "Attribution report" }
            h1 { bdi { (shortened(&manifest.pipeline, 200)) } }
            p.run {
                span { "Conversions of " (range_words(facts)) }
                span { (things(manifest.models.len(), "model")) ", " (if manifest.windows.len() == 1 { "window " } else { "windows " }) (shortened(&manifest.windows.join(", "), 100)) }
                span { "Run " bdi { (shortened(&manifest.run_id, 100)) } }
                span { "Finished " (shortened(&manifest.finished, 40)) }
            }
        }
    }
}

fn foot(facts: &Facts) -> Markup {
    html! {
        footer {
            p {
                "Made by attributary " (shortened(&facts.run.manifest().version, 40)) " from the tables of one run. Amounts and shares are whole "
                "numbers of their smallest unit and are added as such; ratios are made from sums at each grain. What is estimated says so."
            }
            p {
                "The page holds Observable Plot 0.6.17 (ISC, © Observable, Inc.), D3 7.9.0 (ISC, © Mike Bostock) and sortable 4.1.7 "
                "(Unlicense). It loads nothing and sends nothing."
            }
            details {
                summary { "Licences of these libraries" }
                @for (name, licence) in LICENCES { h3 { (name) } pre { (licence) } }
            }
        }
    }
}

fn blocks(content: &[Block], rows: usize) -> Markup {
    html! {
        @for block in content {
            @match block {
                Block::Html(markup) => (markup),
                Block::Chart(chart) => (chart.render()),
                Block::Table(table) => (table.render(rows)),
                Block::Folded(summary, content) => details { summary { (summary) } (blocks(content, rows)) },
            }
        }
    }
}

fn find_charts<'a>(content: &'a [Block], charts: &mut Vec<&'a Chart>) {
    for block in content {
        match block {
            Block::Chart(chart) => charts.push(chart),
            Block::Folded(_, content) => find_charts(content, charts),
            Block::Html(_) | Block::Table(_) => {}
        }
    }
}

/// Scripts and styles by their hashes and nothing else: no network, and no script that a name could bring in.
fn policy() -> String {
    let hash = |text: &&str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())));
    let scripts = SCRIPTS.iter().map(hash).collect::<Vec<_>>().join(" ");
    let styles = [STYLE, PLOT_STYLE].iter().map(hash).collect::<Vec<_>>().join(" ");
    format!("default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; base-uri 'none'; form-action 'none'")
}
