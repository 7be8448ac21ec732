//! The modules of one crate, read from its sources, and what a path in one of them names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, Item, UseTree, Visibility};

/// The path of a module below the crate's root.
pub type ModulePath = Vec<String>;

/// The definition of an item: its module and its name there.
pub type Definition = (ModulePath, String);

/// A library crate of the workspace.
pub struct Source {
    pub name: String,
    pub modules: BTreeMap<ModulePath, Module>,
    dependencies: BTreeSet<String>,
}

/// One module, without what only tests see.
pub struct Module {
    pub items: Vec<Item>,
    imports: Vec<Import>,
    /// The rules of the macros that are defined here.
    rules: Vec<(usize, String)>,
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Item(Definition),
    Module(ModulePath),
    /// An item of another crate, by its full path.
    Foreign(String),
}

/// One name that a `use` brings in; `None` for a glob.
#[derive(Clone)]
pub struct Import {
    pub name: Option<String>,
    pub path: Vec<String>,
}

impl Source {
    pub fn read(folder: &Path, name: &str) -> Self {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let dependencies = manifest["dependencies"].as_table().expect("a table").keys();
        let mut dependencies: BTreeSet<String> = dependencies.map(|name| name.replace('-', "_")).collect();
        dependencies.extend(["std", "core", "alloc"].map(str::to_owned));
        let mut source = Source { name: name.replace('-', "_"), modules: BTreeMap::new(), dependencies };
        source.add(&folder.join("src/lib.rs"), &folder.join("src"), Vec::new());
        source
    }

    /// Reads a file and the files of its modules, which lie in `folder`.
    fn add(&mut self, file: &Path, folder: &Path, path: ModulePath) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items;
        self.add_items(items, folder, path);
    }

    fn add_items(&mut self, items: Vec<Item>, folder: &Path, path: ModulePath) {
        let kept = items.into_iter().filter(|item| !is_test_only(attributes(item)));
        let items: Vec<Item> = kept.flat_map(unwrapped).collect();
        for item in &items {
            let Item::Mod(module) = item else { continue };
            let name = module.ident.to_string();
            let inner = [path.clone(), vec![name.clone()]].concat();
            match &module.content {
                Some((_, items)) => self.add_items(items.clone(), &folder.join(&name), inner),
                None => self.add(&module_file(folder, &name), &folder.join(&name), inner),
            }
        }
        let rules = items.iter().enumerate().filter_map(|(index, item)| match item {
            Item::Macro(rules) if rules.ident.is_some() => Some((index, rules.mac.tokens.to_string())),
            _ => None,
        });
        let module = Module { imports: items.iter().flat_map(imports).collect(), rules: rules.collect(), items };
        self.modules.insert(path, module);
    }

    /// What `path` names if it stands in `module`; `None` for a generic parameter and for names of the standard prelude.
    pub fn resolve(&self, module: &[String], path: &[String]) -> Option<Target> {
        let (first, mut rest) = path.split_first()?;
        let mut target = match first.as_str() {
            "crate" => Target::Module(Vec::new()),
            "self" => Target::Module(module.to_vec()),
            "super" => Target::Module(module.split_last()?.1.to_vec()),
            name => match self.look_up(module, name) {
                None if self.dependencies.contains(name) => return Some(Target::Foreign(path.join("::"))),
                found => found?,
            },
        };
        while let Some((name, further)) = rest.split_first() {
            target = match target {
                Target::Module(module) if name == "super" => Target::Module(module.split_last()?.1.to_vec()),
                Target::Module(module) => self.look_up(&module, name)?,
                Target::Item(_) => return Some(target), // a variant, or an associated item
                Target::Foreign(path) => Target::Foreign(format!("{path}::{name}")),
            };
            rest = further;
        }
        Some(target)
    }

    fn look_up(&self, module: &[String], name: &str) -> Option<Target> {
        let inner = [module, &[name.to_owned()]].concat();
        if self.modules.contains_key(&inner) {
            return Some(Target::Module(inner));
        }
        let Module { items, imports, rules } = self.modules.get(module)?;
        let is_made = || rules.iter().any(|(_, rules)| makes(rules, name));
        if items.iter().any(|item| defined_name(item).is_some_and(|defined| defined == name)) || is_made() {
            return Some(Target::Item((module.to_vec(), name.to_owned())));
        }
        let by_name = imports.iter().find(|import| import.name.as_deref() == Some(name));
        if let Some(import) = by_name {
            return match import.path.as_slice() {
                [only] if only == name => Some(Target::Foreign(name.to_owned())),
                path => self.resolve(module, path),
            };
        }
        // A glob does not bring in the name that it begins with.
        let globs = imports.iter().filter(|import| import.name.is_none() && import.path[0] != name);
        globs.map(|glob| self.resolve(module, &glob.path)).find_map(|glob| match glob? {
            Target::Module(inner) => self.look_up(&inner, name),
            _ => None,
        })
    }

    /// The item of a definition; for one that a macro makes, the rules of that macro.
    pub fn item(&self, (module, name): &Definition) -> &Item {
        let Module { items, rules, .. } = &self.modules[module];
        let defined = items.iter().find(|item| defined_name(item).is_some_and(|defined| defined == name));
        let made = || rules.iter().find(|(_, rules)| makes(rules, name)).map(|(index, _)| &items[*index]);
        defined.or_else(made).expect("it was found before")
    }
}

fn module_file(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(name).with_extension("rs");
    if file.exists() { file } else { folder.join(name).join("mod.rs") }
}

/// The items in a call of `pin_project!`; any other item as it is.
fn unwrapped(item: Item) -> Vec<Item> {
    match &item {
        Item::Macro(call) if call.mac.path.segments.last().is_some_and(|last| last.ident == "pin_project") => {
            syn::parse2::<syn::File>(call.mac.tokens.clone()).expect("items").items
        }
        _ => vec![item],
    }
}

/// Whether a macro of these rules defines a type of this name.
fn makes(rules: &str, name: &str) -> bool {
    [format!("enum {name} "), format!("struct {name} ")].iter().any(|definition| rules.contains(definition))
}

/// The name that an item defines.
pub fn defined_name(item: &Item) -> Option<&syn::Ident> {
    match item {
        Item::Struct(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Const(item) => Some(&item.ident),
        Item::Static(item) => Some(&item.ident),
        _ => None,
    }
}

pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

pub fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Struct(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Const(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Use(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}

fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.to_token_stream().to_string().replace(' ', "") == "#[cfg(test)]")
}

/// The names that a `use` brings in; none for other items.
pub fn imports(item: &Item) -> Vec<Import> {
    let mut found = Vec::new();
    if let Item::Use(item) = item {
        flatten(&item.tree, Vec::new(), &mut found);
    }
    found
}

fn flatten(tree: &UseTree, mut path: Vec<String>, found: &mut Vec<Import>) {
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            flatten(&part.tree, path, found);
        }
        UseTree::Name(last) if last.ident == "self" => found.push(Import { name: path.last().cloned(), path }),
        UseTree::Name(last) => {
            path.push(last.ident.to_string());
            found.push(Import { name: Some(last.ident.to_string()), path });
        }
        UseTree::Rename(last) => {
            path.push(last.ident.to_string());
            found.push(Import { name: Some(last.rename.to_string()), path });
        }
        UseTree::Glob(_) => found.push(Import { name: None, path }),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path.clone(), found)),
    }
}
