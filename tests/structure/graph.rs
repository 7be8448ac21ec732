//! The files of a crate and which file imports from which.
//!
//! An import is a path that begins with `crate`, `self`, `super`, a child module or an imported name, in a `use` or in
//! the code. It leads to the file that defines its item: re-exports are followed through every `mod.rs`. A `pub use`
//! only passes names on, so it counts only if its own file also mentions the name.
//!
//! Not seen: methods of types that a file never names, paths that only a macro writes, and names that two glob imports
//! could bring. A path into an inline module counts for the file around it.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{File, Import, join, parse};
use crate::source;

/// The first place at which a file imports from another, as failures report it: `path:line: text`.
pub type Mention = String;

/// Who imports from whom. Files are named by their paths below `src`.
#[derive(Default)]
pub struct Graph {
    pub files: BTreeSet<String>,
    pub imports: BTreeMap<(String, String), Mention>,
}

impl Graph {
    /// Reads a crate from its files, starting at `lib.rs` or `main.rs`.
    pub fn read(files: &BTreeMap<String, String>) -> Self {
        let mut modules = Modules::default();
        for root in ["lib.rs", "main.rs"] {
            if modules.files.is_empty() && files.contains_key(root) {
                modules.add(files, root.to_owned(), String::new());
            }
        }
        let mut graph = Graph::default();
        for (module, file) in &modules.files {
            graph.files.insert(file.path.clone());
            let used = file.uses.iter().filter(|import| !import.is_public || file.words.contains(&import.name));
            for import in used.chain(&file.paths) {
                let target = match modules.resolve(&import.scope, &import.path, 0) {
                    Some(Target::Item(target)) => target,
                    Some(Target::Module(target)) if import.name == "*" => modules.file_module(&target),
                    _ => continue,
                };
                if target != *module {
                    let text = files[&file.path].lines().nth(import.line - 1).unwrap_or_default().trim();
                    let pair = (file.path.clone(), modules.files[&target].path.clone());
                    graph.imports.entry(pair).or_insert_with(|| format!("{}:{}: {text}", file.path, import.line));
                }
            }
        }
        graph
    }

    /// For each file, those that it imports from, directly or through others.
    pub fn reach(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut direct: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (from, to) in self.imports.keys() {
            direct.entry(from.as_str()).or_default().insert(to.as_str());
        }
        let mut reach = BTreeMap::new();
        for file in &self.files {
            let (mut reached, mut open) = (BTreeSet::new(), vec![file.as_str()]);
            while let Some(next) = open.pop() {
                open.extend(direct.get(next).into_iter().flatten().filter(|to| reached.insert(**to)));
            }
            reach.insert(file.as_str(), reached);
        }
        reach
    }
}

enum Target {
    Module(String),
    /// In the file of this module.
    Item(String),
    OtherCrate,
}

/// Files by module; the root is the empty name.
#[derive(Default)]
struct Modules {
    files: BTreeMap<String, File>,
    inline: BTreeSet<String>,
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

impl Modules {
    fn add(&mut self, files: &BTreeMap<String, String>, path: String, module: String) {
        let (mut file, children) = parse(&source::code(&files[&path]), &module);
        let folder = match path.strip_suffix("/mod.rs") {
            Some(folder) => format!("{folder}/"),
            None if module.is_empty() => String::new(),
            None => format!("{}/", path.trim_end_matches(".rs")),
        };
        file.path = path;
        self.inline.extend(file.inline.iter().cloned());
        self.files.insert(module.clone(), file);
        for child in children {
            let place = [format!("{folder}{child}.rs"), format!("{folder}{child}/mod.rs")];
            let place = place.into_iter().find(|path| files.contains_key(path)).expect("the file of a module");
            self.add(files, place, join(&module, &child));
        }
    }

    fn file_module(&self, module: &str) -> String {
        let mut module = module;
        while !self.files.contains_key(module) {
            module = parent(module);
        }
        module.to_owned()
    }

    fn is_module(&self, name: &str) -> bool {
        self.files.contains_key(name) || self.inline.contains(name)
    }

    /// The target of `path` in `scope`; `None` for a path that this crate does not name.
    fn resolve(&self, scope: &str, path: &[String], depth: usize) -> Option<Target> {
        let (first, mut rest) = path.split_first()?;
        let mut module = match first.as_str() {
            "crate" => "",
            "self" => scope,
            "super" => parent(scope),
            _ => return self.find(scope, path, depth),
        };
        while rest.first().is_some_and(|next| next == "super") {
            (module, rest) = (parent(module), &rest[1..]);
        }
        // A name that is not seen is made by a macro or comes from another crate: its module counts.
        self.find(module, rest, depth).or_else(|| Some(Target::Item(self.file_module(module))))
    }

    fn find(&self, module: &str, path: &[String], depth: usize) -> Option<Target> {
        let Some((name, rest)) = path.split_first() else { return Some(Target::Module(module.to_owned())) };
        if name == "*" {
            return Some(Target::Module(module.to_owned()));
        }
        let full = join(module, name);
        let owner = self.file_module(module);
        let file = &self.files[&owner];
        if self.is_module(&full) && !(rest.is_empty() && file.items.contains(&full)) {
            return self.find(&full, rest, depth).or_else(|| Some(Target::Item(self.file_module(&full))));
        }
        if file.items.contains(&full) {
            return Some(Target::Item(owner));
        }
        let through = |import: &Import| {
            let path: Vec<_> = import.path.iter().filter(|part| *part != "*").chain(rest).cloned().collect();
            self.resolve(module, &path, depth + 1)
        };
        let here = || file.uses.iter().filter(|import| import.scope == module && depth < 16);
        let by_name = here()
            .find(|import| import.name == *name && import.path != path)
            .map(|import| through(import).unwrap_or(Target::OtherCrate));
        let by_glob = || {
            here().filter(|import| import.name == "*").find_map(|import| {
                match self.resolve(module, &import.path, depth + 1)? {
                    Target::Module(other) if other != module => self.find(&other, path, depth + 1),
                    _ => None,
                }
            })
        };
        by_name.or_else(by_glob)
    }
}
