//! What is understood and what is refused.

use super::*;

fn parsed(text: &str) -> OutputSpec {
    OutputSpec::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn look(text: &str) -> ImageLook {
    parsed(text).look().unwrap_or_else(|| panic!("`{text}` is no image")).clone()
}

#[test]
fn places_are_read() {
    let path = |path: &str| Target::File(path.into());
    let directory = |path: &str| Target::Directory(path.into());
    for (text, target) in [
        ("out", Some(directory("out"))),
        ("-", Some(Target::Stdout)),
        ("type=image", None),
        ("type=registry", None),
        ("type=cacheonly", None),
        ("type=local,dest=d", Some(directory("d"))),
        ("type=tar,dest=t.tar", Some(path("t.tar"))),
        ("type=tar", Some(Target::Stdout)),
        ("type=oci,dest=o.tar", Some(path("o.tar"))),
        ("type=oci,tar=false,dest=o", Some(directory("o"))),
        ("type=oci,compression=zstd,dest=-", Some(Target::Stdout)),
        ("dest=d.tar,type=docker", Some(path("d.tar"))),
        ("type=local,\"dest=a,b\"", Some(directory("a,b"))),
    ] {
        assert_eq!(parsed(text).target(), target.as_ref(), "{text}");
    }
}

#[test]
fn images_go_to_the_store_and_to_registries() {
    let push = |by_digest, insecure| Some(PushChoice { by_digest, insecure });
    for (text, store, pushed) in [
        ("type=image", true, None),
        ("type=image,push=true", true, push(false, false)),
        ("type=registry,registry.insecure=true", true, push(false, true)),
        ("type=registry,store=false,push-by-digest=true", false, push(true, false)),
        ("type=image,unpack=true,store=1", true, None),
    ] {
        let OutputForm::Image(image) = parsed(text).form else { panic!("{text}") };
        assert_eq!((image.store, image.push), (store, pushed), "{text}");
    }
}

#[test]
fn attestations_have_a_place_and_a_shape() {
    for (text, unattested, shape) in [
        ("type=oci", false, Shape::Image),
        ("type=oci,attestation-inline=true,oci-artifact=false", false, Shape::Image),
        ("type=registry,attestation-inline=false", true, Shape::Image),
        ("type=image,oci-artifact=true", false, Shape::Artifact),
    ] {
        let look = look(text);
        assert_eq!((look.unattested, look.attestation_shape), (unattested, shape), "{text}");
    }
    let OutputForm::Files(files) = parsed("type=tar,attestation-prefix=a.").form else { panic!() };
    assert_eq!(files.attestation_prefix, "a.");
}

#[test]
fn what_an_image_looks_like_is_read() {
    for (text, compression) in [
        ("type=oci", None),
        ("type=oci,compression=uncompressed", Some(Compression::None)),
        ("type=oci,compression-level=9", Some(Compression::Gzip(9))),
        ("type=docker,compression=gzip,compression-level=0", Some(Compression::Gzip(0))),
        ("type=image,compression=zstd,compression-level=22", Some(Compression::Zstd(22))),
        ("type=oci,compression=zstd,compression-level=0", Some(Compression::ZSTD)),
        ("type=oci,compression=estargz", Some(Compression::ESTARGZ)),
        ("type=registry,store=false,compression=estargz,compression-level=9", Some(Compression::Estargz(9))),
    ] {
        assert_eq!(look(text).compression, compression, "{text}");
    }
    let all = look(
        "type=oci,\"name=a:1,b\",force-compression=true,oci-mediatypes=true,rewrite-timestamp=true,annotation.K=v",
    );
    let names: Vec<String> = all.names.iter().map(Reference::familiar).collect();
    assert_eq!(names, ["a:1", "b:latest"]);
    assert!(all.force && all.rewrite && all.types == MediaTypes::Oci);
    assert_eq!((all.annotations[0].key.as_str(), all.annotations[0].level), ("K", Level::Manifest));
    assert_eq!(look("type=docker,oci-mediatypes=false").types, MediaTypes::Docker);
}

#[test]
fn epochs_and_modes_are_read() {
    for (text, epoch) in [
        ("type=oci", EpochChoice::Build),
        ("type=tar,source-date-epoch=", EpochChoice::Never),
        ("type=local,dest=d,source-date-epoch=7", EpochChoice::At(7)),
    ] {
        assert_eq!(parsed(text).epoch, epoch, "{text}");
    }
    let OutputForm::Files(files) = parsed("type=local,dest=d,mode=delete,platform-split=true").form else {
        panic!("not files")
    };
    assert!(files.mirror && files.split == Some(true));
}

#[test]
fn what_cannot_be_done_is_said() {
    let types = "there are image, registry, docker, oci, local, tar and cacheonly";
    for (text, words) in [
        ("", "it is empty"),
        ("type=docker,dest=", "`dest=` is empty"),
        ("type=local,dest=", "`dest=` is empty"),
        ("dest=x", "it has no `type`"),
        ("type=ocj,dest=x", &format!("there is no type `ocj`; {types}")),
        ("type=oci,dest=x,foo=1", "`foo` is no attribute of the type `oci`"),
        (
            "type=oci,dest=x,annotation-x.a=1",
            "the annotation `annotation-x.a` has the unknown type `x`; there are manifest, manifest-descriptor, index and index-descriptor",
        ),
        ("type=oci,dest=x,dest=y", "`dest` stands twice"),
        ("type=oci,tar=maybe,dest=x", "`tar` must be `true` or `false`, not `maybe`"),
        ("type=docker,tar=false,dest=x", "`tar` is no attribute of the type `docker`"),
        (
            "type=oci,compression=lz4,dest=x",
            "there is no compression `lz4`; there are uncompressed, gzip, zstd and estargz",
        ),
        ("type=oci,compression-level=10", "`compression-level` must be a number from 0 to 9, not `10`"),
        (
            "type=oci,compression=zstd,compression-level=x",
            "`compression-level` must be a number from 0 to 22, not `x`",
        ),
        ("type=docker,compression-level=3", "what is not compressed has no `compression-level`"),
        (
            "type=oci,compression=uncompressed,compression-level=3",
            "what is not compressed has no `compression-level`",
        ),
        (
            "type=oci,oci-mediatypes=false,compression=zstd",
            "zstd needs OCI's media types: leave `oci-mediatypes=false` out",
        ),
        (
            "type=oci,oci-mediatypes=false,annotation.a=1",
            "an annotation needs OCI's media types: leave `oci-mediatypes=false` out",
        ),
        ("type=local", "it needs `dest=`"),
        ("type=local,dest=-", "a directory cannot be written to standard output"),
        ("type=local,dest", "`dest` is neither a path nor `name=value`"),
        ("type=local,dest=x,mode=move", "`mode` must be `copy` or `delete`, not `move`"),
        ("type=tar,mode=delete", "`mode` is no attribute of the type `tar`"),
        ("type=tar,name=x", "`name` is no attribute of the type `tar`"),
        ("type=image,dest=x", "`dest` is no attribute of the type `image`"),
        ("type=cacheonly,source-date-epoch=1", "`source-date-epoch` is no attribute of the type `cacheonly`"),
        ("type=image,push-by-digest=true", "`push-by-digest` needs `push=true`"),
        ("type=image,store=false", "without `push=true` nothing would be left of it; use `type=cacheonly`"),
        (
            "type=image,unpack=false",
            "`unpack=false` has no meaning here: layers in the store are always unpacked",
        ),
        (
            "type=image,name-canonical=true",
            "`name-canonical` has no meaning here: every image in the store is found by `NAME@DIGEST`",
        ),
        (
            "type=image,compression=estargz",
            "the store holds layers as they are, and these would be others: push it with `store=false`, or write files",
        ),
        (
            "type=oci,source-date-epoch=now",
            "`source-date-epoch` must be seconds since 1970, or nothing, not `now`",
        ),
        ("type=local,dest=d,oci-artifact=true", "`oci-artifact` is no attribute of the type `local`"),
        ("type=oci,attestation-prefix=x", "`attestation-prefix` is no attribute of the type `oci`"),
        (
            "type=local,dest=d,attestation-prefix=a/b",
            "`attestation-prefix` must be the beginning of a file's name, not `a/b`",
        ),
        (
            "type=oci,compatibility-version=20",
            "`compatibility-version` has no meaning here: what a layer's tar looks like never changes",
        ),
        (
            "type=docker,context=other",
            "`context` has no meaning here: there is no daemon to load the image into",
        ),
        (
            "type=oci,name=\"a,b\"",
            "a quote in the middle of `name=\"a`; a field with commas has quotes around all of it: `\"name=a,b\"`",
        ),
        ("type=oci,name=A", "`A` is not an image reference: the repository name `A` must be lowercase"),
    ] {
        let error = OutputSpec::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("the output `{text}` is wrong: {words}"));
    }
}

fn refused(texts: &[&str], names: &[&str], annotations: &[&str]) -> Option<String> {
    let outputs: Vec<OutputSpec> = texts.iter().map(|text| parsed(text)).collect();
    let names: Vec<Reference> = names.iter().map(|name| name.parse().unwrap()).collect();
    let annotations: Vec<Annotation> =
        annotations.iter().flat_map(|text| Annotation::parse(text).unwrap()).collect();
    let circumstances = Circumstances {
        names: &names,
        annotations: &annotations,
        platforms: &["linux/amd64".parse().unwrap()],
        has_epoch: false,
        is_attested: false,
        precious: &[PathBuf::from("/home/me/app")],
    };
    refuse_impossible(&outputs, &circumstances).err().map(|error| error.to_string())
}

/// Outputs, names, annotations, and what is wrong with them.
type Impossible<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], Option<&'a str>);

#[test]
fn outputs_must_fit_each_other_and_the_build() {
    let cases: [Impossible<'_>; 12] = [
        (&["-", "type=oci"], &[], &[], Some("several outputs go to standard output")),
        (&["type=oci,dest=x", "type=tar,dest=x"], &[], &[], Some("several outputs go to `x`")),
        (&["type=oci,dest=x", "type=tar,dest=y", "type=image", "type=cacheonly"], &[], &[], None),
        (&["type=registry"], &[], &[], Some("an image without a name cannot be pushed")),
        (&["type=registry"], &["a"], &[], None),
        (&["type=registry,name=a"], &[], &[], None),
        (
            &["type=oci,rewrite-timestamp=true"],
            &[],
            &[],
            Some("`rewrite-timestamp` needs a time that files may have at most"),
        ),
        (&["type=oci,rewrite-timestamp=true,source-date-epoch=1"], &[], &[], None),
        (
            &["type=image"],
            &[],
            &["index:k=v"],
            Some("the annotation `k` is for an index, and the image of one platform has none"),
        ),
        (
            &["type=image"],
            &[],
            &["manifest-descriptor:k=v"],
            Some("the annotation `k` is for the manifest's descriptor, which only the index of a layout has"),
        ),
        (
            &["type=oci"],
            &[],
            &["manifest[linux/arm64]:k=v"],
            Some("the annotation `k` is for linux/arm64, and the image is for linux/amd64"),
        ),
        (
            &["type=local,dest=/home,mode=delete"],
            &[],
            &[],
            Some("`mode=delete` would remove what is in `/home`, and with it `/home/me/app`"),
        ),
    ];
    for (outputs, names, annotations, message) in cases {
        assert_eq!(refused(outputs, names, annotations).as_deref(), message, "{outputs:?}");
    }
}
