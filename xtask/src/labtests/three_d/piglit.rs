//! piglit's list `quick_gl`: a part of it in a guest and natively.
//!
//! A test that natively passes and in the guest does not is a regression. The known ones are in a file, each with the
//! reason; one that is not there fails this test, and so does one that is there and passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Gpu, Machine, in_tree, start};
use crate::{
    lab,
    labtests::{Bench, Place},
    report,
};

/// One in how many tests of the list is run: which, says a hash of its name.
const ONE_IN: u64 = 40;

/// For all of them, in the guest.
const LIMIT: Duration = Duration::from_secs(600);

/// Where piglit is, below the root of its package.
const FOLDER: &str = "usr/lib/x86_64-linux-gnu/piglit";

/// The known regressions: a test and why it fails on each line.
const KNOWN: &str = include_str!("../../../lab/piglit-regressions.txt");

/// Runs the tests of the file `$list`, one a line: its name, a tab, its command. Writes the name, a tab and the result
/// to `$results`. Without a screen all of them draw into buffers of their own. On a busy machine
/// one of them compiles its shaders for more than half a minute.
const RUN: &str = r#"
export PIGLIT_SOURCE_DIR=$piglit PIGLIT_PLATFORM=surfaceless_egl PIGLIT_NO_FAST_SKIP=0
export LD_LIBRARY_PATH=$piglit/lib XDG_RUNTIME_DIR=/run
cd $piglit
tab=$(printf '\t')
while IFS="$tab" read -r name command; do
    timeout -s KILL 150 sh -c "exec bin/$command -auto -fbo" >$scratch 2>&1 </dev/null
    code=$?
    result=$(grep -a '^PIGLIT: {"result"' $scratch | tail -n 1 | cut -d '"' -f 4)
    if [ -z "$result" ]; then result=ended-with-$code; fi
    printf '%s\t%s\n' "$name" "$result" >>$results
done <$list
"#;

/// Runs it.
pub fn run(bench: &Bench, place: &Place) -> Result<String> {
    let programs = lab::ensure_programs()?;
    let piglit = programs.join(FOLDER);
    let tests = selection(&piglit)?;
    let folder = place.guest(
        "guest",
        &format!(
            "piglit=/host{} list=/lab/list results=/lab/results scratch=/tmp/scratch\n{RUN}",
            piglit.display()
        ),
    )?;
    let mut list = String::new();
    for (name, command) in &tests {
        writeln!(list, "{name}\t{command}")?;
    }
    fs::write(folder.file("list"), &list)?;
    let compositor = start(
        bench,
        place,
        &[Machine {
            name: "guest",
            folder: &folder,
            gpu: Gpu::Virgl,
        }],
    )?;
    let native = place.folder.join("native");
    let (guest, native) = thread::scope(|scope| {
        let native = scope.spawn(|| {
            let mut command = in_tree(&bench.lab, Path::new("/bin/sh"));
            natively(&mut command, &piglit, &folder.file("list"), &native)
        });
        let guest = folder.wait_for_end(LIMIT);
        (guest, native.join())
    });
    guest?;
    let native = native.map_err(|_| anyhow::anyhow!("Running piglit natively: it panicked"))??;
    compositor.quit()?;
    let guest = results(&fs::read_to_string(folder.file("results"))?);
    ensure!(
        guest.len() == tests.len() && native.len() == tests.len(),
        "Of {} tests, {} ended in the guest and {} natively",
        tests.len(),
        guest.len(),
        native.len()
    );
    verdict(&guest, &native, &known(KNOWN)?)
}

fn natively(
    command: &mut Command,
    piglit: &Path,
    list: &Path,
    folder: &Path,
) -> Result<BTreeMap<String, String>> {
    fs::create_dir_all(folder)?;
    let file = folder.join("results");
    report::output(
        command
            .arg("-c")
            .arg(RUN)
            .env("piglit", piglit)
            .env("list", list)
            .env("results", &file)
            .env("scratch", folder.join("scratch")),
    )?;
    Ok(results(&fs::read_to_string(file)?))
}

/// The results by the tests' names.
fn results(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, result)| (name.to_owned(), result.to_owned()))
        .collect()
}

/// Holds the results against each other and against the known regressions.
fn verdict(
    guest: &BTreeMap<String, String>,
    native: &BTreeMap<String, String>,
    known: &BTreeMap<&str, &str>,
) -> Result<String> {
    let result = |name: &str| guest.get(name).map_or("nothing", String::as_str);
    let passed: Vec<&str> = native
        .iter()
        .filter(|(_, result)| *result == "pass")
        .map(|(name, _)| name.as_str())
        .collect();
    let count = |wanted: &str| passed.iter().filter(|name| result(name) == wanted).count();
    let regressions: BTreeSet<&str> = passed
        .iter()
        .copied()
        .filter(|name| !matches!(result(name), "pass" | "skip"))
        .collect();
    let mut wrong = String::new();
    for name in &regressions {
        if !known.contains_key(name) {
            write!(wrong, "\n    new: {name}: {}", result(name))?;
        }
    }
    for name in known.keys() {
        if !regressions.contains(name) {
            write!(
                wrong,
                "\n    no longer there, so take it off the list: {name}"
            )?;
        }
    }
    let words = format!(
        "of {} tests {} pass natively; in the guest {} of these pass, {} are not for its OpenGL, {} are known regressions",
        native.len(),
        passed.len(),
        count("pass"),
        count("skip"),
        regressions.len()
    );
    if wrong.is_empty() {
        Ok(words)
    } else {
        bail!("The regressions are not the known ones ({words}):{wrong}")
    }
}

/// The known regressions and their reasons.
fn known(text: &str) -> Result<BTreeMap<&str, &str>> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, reason) = line
                .split_once("  # ")
                .with_context(|| format!("Looking for the reason in {line:?}"))?;
            ensure!(!reason.trim().is_empty(), "There is no reason in {line:?}");
            Ok((name, reason))
        })
        .collect()
}

/// The names and commands of the tests that are run.
fn selection(piglit: &Path) -> Result<Vec<(String, String)>> {
    let packed = piglit.join("tests/quick_gl.xml.gz");
    let text = report::output(Command::new("gzip").arg("-dc").arg(&packed))
        .with_context(|| format!("Unpacking {}", packed.display()))?;
    let tests: Vec<_> = tests(&text)
        .into_iter()
        .filter(|(name, _)| hash(name).is_multiple_of(ONE_IN))
        .collect();
    ensure!(
        tests.len() > 100,
        "piglit's list has only {} tests for this",
        tests.len()
    );
    Ok(tests)
}

/// All tests of a list that run a program.
fn tests(list: &str) -> Vec<(String, String)> {
    list.split("<Test type=\"gl\" ")
        .skip(1)
        .filter(|test| !test.contains("name=\"require_platforms\" value=\"['glx"))
        .filter_map(|test| {
            let name = unescape(between(test, "name=\"", "\"")?);
            let words = unescape(between(test, "name=\"command\" value=\"", "\" />")?);
            Some((name, command(&words)?))
        })
        .collect()
}

/// `['program', 'word']` as a shell has it.
fn command(list: &str) -> Option<String> {
    let inner = list.strip_prefix('[')?.strip_suffix(']')?;
    let quoted = |word: &str| {
        let word = word.strip_prefix('\'')?.strip_suffix('\'')?;
        (!word.contains('\'')).then(|| format!("'{word}'"))
    };
    let words: Option<Vec<String>> = inner.split(", ").map(quoted).collect();
    words.map(|words| words.join(" "))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// FNV-1a, the same on every machine.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod checks {
    use super::*;

    #[test]
    fn tests_are_read_with_their_words() {
        let list = "<PiglitTestList><Test type=\"gl\" name=\"a@b &lt;c&gt;\"><option name=\"command\" \
                    value=\"['one', '-x', 'y z']\" /></Test><Test type=\"gl\" name=\"glx@d\"><option \
                    name=\"require_platforms\" value=\"['glx', 'mixed']\" /><option name=\"command\" \
                    value=\"['two']\" /></Test>";
        let expected = ("a@b <c>".to_owned(), "'one' '-x' 'y z'".to_owned());
        assert_eq!(tests(list), [expected]);
    }

    #[test]
    fn the_list_of_known_regressions_may_only_shrink() -> Result<()> {
        let results = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = |(name, result): &(&str, &str)| ((*name).to_owned(), (*result).to_owned());
            pairs.iter().map(owned).collect()
        };
        let native = results(&[("a", "pass"), ("b", "pass"), ("c", "fail"), ("d", "pass")]);
        let guest = results(&[("a", "pass"), ("b", "fail"), ("c", "fail"), ("d", "skip")]);
        assert!(verdict(&guest, &native, &known("# A comment\nb  # because\n")?).is_ok());
        assert!(verdict(&guest, &native, &known("")?).is_err());
        assert!(verdict(&guest, &native, &known("a  # old\nb  # because\n")?).is_err());
        assert!(known("b\n").is_err());
        assert!(known("b  # \n").is_err());
        Ok(())
    }

    #[test]
    fn the_file_has_a_reason_on_every_line() -> Result<()> {
        known(KNOWN).map(drop)
    }
}
