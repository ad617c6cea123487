//! `images --tree`: images that stand on the same layers, drawn as a tree of these, and indexes with their images.

use crate::engine::ImageSummary;
use crate::oci::DiffId;

use super::super::human;
use super::super::table::Table;
use super::id;

/// Layers that stand on the same ones below, with the images that end with them and those that go on.
struct Node<'a> {
    /// How many layers there are here.
    layers: usize,
    /// What they hold, in bytes.
    adds: u64,
    /// The same with all layers below.
    total: u64,
    /// The images that have no further layer.
    images: Vec<&'a ImageSummary>,
    children: Vec<Node<'a>>,
}

/// The tree as a table.
pub(super) fn draw(images: &[ImageSummary]) -> String {
    let mut table = Table::new(["IMAGE", "IMAGE ID", "LAYERS", "ADDS", "SIZE", "USED BY"]);
    let (indexes, images): (Vec<&ImageSummary>, Vec<&ImageSummary>) =
        images.iter().partition(|image| !image.images.is_empty());
    let (empty, others): (Vec<&ImageSummary>, Vec<&ImageSummary>) =
        images.into_iter().partition(|image| image.layers.is_empty());
    let mut roots = grow(&others, 0, 0);
    roots.extend(empty.into_iter().map(|image| Node::leaf(image, 0)));
    roots.extend(indexes.into_iter().map(Node::index));
    for root in &roots {
        root.draw("", "", false, &mut table);
    }
    table.render()
}

/// The trees of images that share their layers below `start`, which hold `below` bytes. All have more.
fn grow<'a>(images: &[&'a ImageSummary], start: usize, below: u64) -> Vec<Node<'a>> {
    let mut groups: Vec<(DiffId, Vec<&'a ImageSummary>)> = Vec::new();
    for image in images {
        let layer = image.layers[start].0;
        match groups.iter_mut().find(|(other, _)| *other == layer) {
            Some((_, group)) => group.push(image),
            None => groups.push((layer, vec![image])),
        }
    }
    groups.into_iter().map(|(_, group)| Node::of(&group, start, below)).collect()
}

impl<'a> Node<'a> {
    fn of(group: &[&'a ImageSummary], start: usize, below: u64) -> Self {
        let layers = &group[0].layers;
        let common = |end: usize| group.iter().all(|image| image.layers.get(end) == layers.get(end));
        let end = (start + 1..layers.len()).find(|end| !common(*end)).unwrap_or(layers.len());
        let adds = layers[start..end].iter().map(|(_, size)| size).sum();
        let (ending, rest): (Vec<_>, Vec<_>) = group.iter().partition(|image| image.layers.len() == end);
        let mut node =
            Self { layers: end - start, adds, total: below + adds, images: ending, children: Vec::new() };
        if node.images.len() > 1 {
            // Several images of the same layers stand below these.
            node.children = node.images.drain(..).map(|image| Self::leaf(image, below + adds)).collect();
        }
        node.children.extend(grow(&rest, end, below + adds));
        node
    }

    fn leaf(image: &'a ImageSummary, total: u64) -> Self {
        Self { layers: 0, adds: 0, total, images: vec![image], children: Vec::new() }
    }

    /// An index with a line for each platform.
    fn index(index: &'a ImageSummary) -> Self {
        let children = index.images.iter().map(|image| Self::leaf(image, image.size)).collect();
        Self { layers: 0, adds: 0, total: index.size, images: vec![index], children }
    }

    /// How many images have these layers.
    fn users(&self) -> usize {
        self.images.iter().filter(|image| image.images.is_empty()).count()
            + self.children.iter().map(Self::users).sum::<usize>()
    }

    /// Adds a line for this and lines for what is below; `first` stands before its own line, `rest` before the others. What
    /// an index lists goes by its platform.
    fn draw(&self, first: &str, rest: &str, listed: bool, table: &mut Table<6>) {
        let (name, id) = match self.images.first() {
            Some(image) if listed => (platform(image), id(image, false)),
            Some(image) => (names(image), id(image, false)),
            None => ("(shared)".to_owned(), String::new()),
        };
        let users = match self.users() {
            1 => "1 image".to_owned(),
            users => format!("{users} images"),
        };
        table.row([
            format!("{first}{name}"),
            id,
            self.layers.to_string(),
            human::size(self.adds),
            human::size(self.total),
            users,
        ]);
        let lists = self.images.first().is_some_and(|image| !image.images.is_empty());
        for (i, child) in self.children.iter().enumerate() {
            let (own, below) =
                if i + 1 == self.children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            child.draw(&format!("{rest}{own}"), &format!("{rest}{below}"), lists, table);
        }
    }
}

fn platform(image: &ImageSummary) -> String {
    image.platform.as_ref().map_or_else(|| "<unknown>".to_owned(), ToString::to_string)
}

fn names(image: &ImageSummary) -> String {
    let names: Vec<String> = image.names.iter().map(crate::oci::Reference::familiar).collect();
    if names.is_empty() { "<none>".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::oci::{Digest, ManifestDigest};

    fn image(name: &str, layers: &[(&str, u64)]) -> ImageSummary {
        let digest = Digest::from_bytes([u8::try_from(name.len()).unwrap(); 32]);
        ImageSummary {
            id: digest,
            manifest: ManifestDigest(digest),
            platform: "linux/arm64".parse().ok(),
            images: Vec::new(),
            names: vec![name.parse().unwrap()],
            created: None,
            size: layers.iter().map(|(_, size)| size).sum(),
            shared: 0,
            labels: BTreeMap::new(),
            layers: layers.iter().map(|(text, size)| (DiffId(Digest::of(text.as_bytes())), *size)).collect(),
        }
    }

    #[test]
    fn images_stand_on_what_they_share() {
        let mut index = image("index", &[("x", 5), ("y", 6)]);
        index.images = vec![image("x", &[("x", 5)]), image("x", &[("y", 6)])];
        let images = [
            index,
            image("app:12", &[("base", 100), ("lib", 20), ("app12", 1)]),
            image("a:1", &[("base", 100), ("lib", 20), ("app1", 2), ("more", 3)]),
            image("base", &[("base", 100)]),
            image("twin-one", &[("t", 7)]),
            image("twin", &[("t", 7)]),
            image("nothing", &[]),
        ];
        let text = draw(&images);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "IMAGE IMAGE ID LAYERS ADDS SIZE USED BY",
                "base:latest 040404040404 1 100B 100B 3 images",
                "└─ (shared) 1 20B 120B 2 images",
                "├─ app:12 060606060606 1 1B 121B 1 image",
                "└─ a:1 030303030303 2 5B 125B 1 image",
                "(shared) 1 7B 7B 2 images",
                "├─ twin-one:latest 080808080808 0 0B 7B 1 image",
                "└─ twin:latest 040404040404 0 0B 7B 1 image",
                "nothing:latest 070707070707 0 0B 0B 1 image",
                "index:latest 050505050505 0 0B 11B 2 images",
                "├─ linux/arm64 010101010101 0 0B 5B 1 image",
                "└─ linux/arm64 010101010101 0 0B 6B 1 image",
            ]
        );
        assert!(text.contains("\n   ├─ app:12 "), "{text}");
    }
}
