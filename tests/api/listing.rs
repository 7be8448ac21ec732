//! The public items of a crate, one to a line.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem, Type, Visibility};

use crate::source::{Definition, ModulePath, Source, Target, attributes, imports, is_public};
use crate::text::{shown, tidy, without_docs};

/// The attributes that are part of the API.
const SHOWN_ATTRIBUTES: [&str; 5] = ["cfg", "derive", "non_exhaustive", "must_use", "deprecated"];

/// The public API of one crate.
pub struct Listing<'a> {
    source: &'a Source,
    lines: BTreeSet<String>,
    /// Each public item with the path that it has first.
    paths: BTreeMap<Definition, String>,
    /// The other crates whose types stand in signatures, or which are re-exported.
    pub foreign: BTreeSet<String>,
}

impl<'a> Listing<'a> {
    pub fn of(source: &'a Source) -> Self {
        let mut listing = Listing { source, lines: BTreeSet::new(), paths: BTreeMap::new(), foreign: BTreeSet::new() };
        listing.module(&Vec::new(), &source.name.clone(), "");
        for (module, inside) in &source.modules {
            for item in &inside.items {
                match item {
                    Item::Impl(item) => listing.implementation(module, item),
                    Item::Macro(item)
                        if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) =>
                    {
                        let name = item.ident.as_ref().map(ToString::to_string).unwrap_or_default();
                        listing.lines.insert(format!("{}::{name}!: macro", source.name));
                    }
                    _ => {}
                }
            }
        }
        listing
    }

    pub fn text(&self) -> String {
        let foreign = self.foreign.iter().cloned().collect::<Vec<_>>().join(" ");
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        format!("# other crates in this API: {foreign}\n{}\n", lines.join("\n"))
    }

    /// The public types and traits of this crate, by name.
    pub fn types(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_type = |definition: &Definition| {
            !matches!(self.source.item(definition), Item::Fn(_) | Item::Const(_) | Item::Static(_))
        };
        let all = self.paths.iter().filter(move |(definition, _)| is_type(definition));
        all.map(|((_, name), path)| (name.as_str(), path.as_str()))
    }

    fn module(&mut self, module: &ModulePath, path: &str, cfg: &str) {
        let items = &self.source.modules[module].items;
        // The prelude repeats what has its home elsewhere.
        let is_prelude = |item: &&Item| matches!(item, Item::Mod(item) if item.ident == "prelude");
        for item in items.iter().filter(|item| !is_prelude(item)).chain(items.iter().filter(is_prelude)) {
            if !is_public(item) {
                continue;
            }
            let cfg = format!("{cfg}{}", shown(attributes(item), &["cfg"]));
            match item {
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let target = [module.clone(), vec![name.clone()]].concat();
                    self.module(&target, &format!("{path}::{name}"), &cfg);
                }
                Item::Use(_) => self.re_exports(module, item, path, &cfg),
                item => {
                    let name = crate::source::defined_name(item).map(ToString::to_string).unwrap_or_default();
                    self.item((module.clone(), name.clone()), &format!("{path}::{name}"), &cfg);
                }
            }
        }
    }

    fn re_exports(&mut self, module: &ModulePath, item: &Item, path: &str, cfg: &str) {
        for import in imports(item) {
            let target = self.source.resolve(module, &import.path);
            match (import.name, target.unwrap_or_else(|| panic!("{path}: {:?} not found", import.path))) {
                (Some(name), Target::Item(definition)) => self.item(definition, &format!("{path}::{name}"), cfg),
                (Some(name), Target::Module(inner)) => self.module(&inner, &format!("{path}::{name}"), cfg),
                (None, Target::Module(inner)) => self.module(&inner, path, cfg),
                (name, Target::Foreign(whole)) => {
                    let name = name.unwrap_or_else(|| "*".to_owned());
                    self.lines.insert(format!("{path}::{name}: {cfg}pub use {whole}"));
                    self.name_foreign(&whole);
                }
                (None, Target::Item(_)) => {
                    self.lines.extend([format!("{path}: pub use {}::*", import.path.join("::"))])
                }
            }
        }
    }

    fn item(&mut self, definition: Definition, path: &str, cfg: &str) {
        if let Some(first) = self.paths.get(&definition) {
            if first != path {
                self.lines.insert(format!("{path}: {cfg}pub use {first}"));
            }
            return;
        }
        let module = definition.0.clone();
        let item = self.source.item(&definition).clone();
        self.paths.insert(definition, path.to_owned());
        let mut line = |text: String| self.lines.insert(format!("{path}: {cfg}{text}"));
        match item.clone() {
            Item::Struct(mut item) => {
                let hidden = keep_public_fields(&mut item.fields);
                let attributes = shown(&std::mem::take(&mut item.attrs), &SHOWN_ATTRIBUTES);
                line(format!("{attributes}{}{hidden}", tidy(&item)));
            }
            Item::Enum(mut item) => {
                let variants = std::mem::take(&mut item.variants);
                let attributes = shown(&std::mem::take(&mut item.attrs), &SHOWN_ATTRIBUTES);
                line(format!("{attributes}{}", tidy(&item)));
                for mut variant in variants {
                    let attributes = shown(&std::mem::take(&mut variant.attrs), &SHOWN_ATTRIBUTES);
                    variant.fields.iter_mut().for_each(|field| field.attrs.clear());
                    self.lines.insert(format!("{path}::{}: {attributes}variant {}", variant.ident, tidy(&variant)));
                }
            }
            Item::Trait(mut item) => {
                let inner = std::mem::take(&mut item.items);
                let attributes = shown(&std::mem::take(&mut item.attrs), &SHOWN_ATTRIBUTES);
                line(format!("{attributes}{}", tidy(&item)));
                for part in inner {
                    let text = trait_item(part);
                    self.lines.insert(format!("{path}: trait has {text}"));
                }
            }
            Item::Fn(item) => {
                line(format!("{}pub {}", shown(&item.attrs, &SHOWN_ATTRIBUTES), tidy(&item.sig)));
            }
            Item::Const(item) => {
                line(format!("pub const {}: {}", item.ident, tidy(&item.ty)));
            }
            Item::Type(mut item) => {
                item.attrs.clear();
                line(tidy(&item));
            }
            Item::Macro(rules) => {
                line(format!("made by the rules {}", without_docs(&rules.mac.tokens.to_string())));
                for call in &self.source.modules[&module].items {
                    if let Item::Macro(call) = call
                        && call.mac.path.get_ident() == rules.ident.as_ref()
                    {
                        line(format!("made of {}", without_docs(&call.mac.tokens.to_string())));
                    }
                }
            }
            other => {
                line(tidy(&other));
            }
        }
        self.signature(&module, |visitor| visit_public(visitor, &item));
    }

    fn implementation(&mut self, module: &ModulePath, item: &ItemImpl) {
        let Some(subject) = self.public_path(module, &item.self_ty) else { return };
        let cfg = shown(&item.attrs, &["cfg"]);
        let mut head = ItemImpl { attrs: Vec::new(), items: Vec::new(), ..item.clone() };
        if let Some((name, _)) = &item.trait_ {
            let segments: Vec<String> = name.segments.iter().map(|segment| segment.ident.to_string()).collect();
            match self.source.resolve(module, &segments) {
                Some(Target::Item(definition)) if !self.paths.contains_key(&definition) => return,
                Some(Target::Foreign(whole)) => self.name_foreign(&whole),
                _ => {}
            }
            let types = item.items.iter().filter(|part| matches!(part, ImplItem::Type(_))).cloned();
            head.items = types.collect();
            self.lines.insert(format!("{subject}: {cfg}{}", tidy(&head)));
            self.signature(module, |visitor| visitor.visit_item_impl(&head));
            return;
        }
        let generics = if item.generics.params.is_empty() { String::new() } else { format!("[{}] ", tidy(&head)) };
        for part in &item.items {
            let (attributes, text) = match part {
                ImplItem::Fn(part) if matches!(part.vis, Visibility::Public(_)) => {
                    self.signature(module, |visitor| visitor.visit_signature(&part.sig));
                    (&part.attrs, format!("{generics}pub {}", tidy(&part.sig)))
                }
                ImplItem::Const(part) if matches!(part.vis, Visibility::Public(_)) => {
                    (&part.attrs, format!("{generics}pub const {}: {}", part.ident, tidy(&part.ty)))
                }
                _ => continue,
            };
            self.lines.insert(format!("{subject}: {cfg}{}{text}", shown(attributes, &SHOWN_ATTRIBUTES)));
        }
    }

    /// The public path of the type, or of its innermost type if it is a reference or a box.
    fn public_path(&self, module: &ModulePath, subject: &Type) -> Option<String> {
        match subject {
            Type::Reference(inner) => self.public_path(module, &inner.elem),
            Type::Path(path) => {
                let segments: Vec<String> = path.path.segments.iter().map(|part| part.ident.to_string()).collect();
                match self.source.resolve(module, &segments) {
                    Some(Target::Item(definition)) => self.paths.get(&definition).cloned(),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Notes the other crates that are named in what `visit` visits.
    fn signature(&mut self, module: &ModulePath, visit: impl FnOnce(&mut Names)) {
        let mut names = Names::default();
        visit(&mut names);
        for path in names.0 {
            if let Some(Target::Foreign(whole)) = self.source.resolve(module, &path) {
                self.name_foreign(&whole);
            }
        }
    }

    fn name_foreign(&mut self, whole: &str) {
        let krate = whole.split("::").next().unwrap_or_default();
        if !["std", "core", "alloc"].contains(&krate) {
            self.foreign.insert(krate.to_owned());
        }
    }
}

/// Every path that is visited.
#[derive(Default)]
struct Names(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    fn visit_block(&mut self, _: &'ast syn::Block) {}

    fn visit_expr(&mut self, _: &'ast syn::Expr) {}
}

fn visit_public(names: &mut Names, item: &Item) {
    match item.clone() {
        Item::Struct(mut item) => {
            keep_public_fields(&mut item.fields);
            names.visit_item_struct(&item);
        }
        item => names.visit_item(&item),
    }
}

/// Drops the private fields and says that there were some.
fn keep_public_fields(fields: &mut Fields) -> &'static str {
    let before = fields.len();
    let is_kept = |field: &syn::Field| matches!(field.vis, Visibility::Public(_));
    match fields {
        Fields::Named(named) => named.named = std::mem::take(&mut named.named).into_iter().filter(is_kept).collect(),
        Fields::Unnamed(tuple) => {
            tuple.unnamed = std::mem::take(&mut tuple.unnamed).into_iter().filter(is_kept).collect();
        }
        Fields::Unit => {}
    }
    fields.iter_mut().for_each(|field| field.attrs.clear());
    if fields.len() < before { " and private fields" } else { "" }
}

fn trait_item(part: TraitItem) -> String {
    match part {
        TraitItem::Fn(part) => {
            let provided = if part.default.is_some() { " (provided)" } else { "" };
            format!("{}{}{provided}", shown(&part.attrs, &SHOWN_ATTRIBUTES), tidy(&part.sig))
        }
        TraitItem::Type(mut part) => {
            part.attrs.clear();
            tidy(&part)
        }
        TraitItem::Const(mut part) => {
            part.attrs.clear();
            tidy(&part)
        }
        other => tidy(&other),
    }
}
