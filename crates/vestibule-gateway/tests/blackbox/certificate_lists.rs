//! Lists of what authorities have withdrawn of clients' certificates.

use std::fs;

use vestibule_testkit::{Handshake, eventually};

use crate::{
    authority::Authority,
    certificates::{ALONE, DEVICES, House, page},
    rig::Outcome,
};

#[test]
fn a_certificate_on_the_list_of_its_authority_ends_tls_as_soon_as_the_list_says_so() -> Outcome {
    let list = |authority: &Authority| authority.withdrawn(&[], 3600).map(Some);
    let house = House::with(ALONE, "", DEVICES, list)?;
    let (lost, kept) = (house.authority.device("7")?, house.authority.device("8")?);
    let mut client = house.ask(Some(&lost), &page())?;
    let (_upstream, _) = house.rig.upstream.switch("")?;
    client.expect_switch()?;
    drop(client);
    // A list that cannot be read changes nothing.
    let path = house.rig.setup.folder().join("clients.crl");
    let replace = |text: &str| -> Outcome {
        let new = path.with_extension("new");
        fs::write(&new, text)?;
        Ok(fs::rename(&new, &path)?)
    };
    replace("nothing")?;
    house.rig.gateway.log().wait_for("cannot be used; the old ones go on")?;
    // What could not be read is tried again, although it looks the same from outside.
    let authorities = house.rig.setup.folder().join("clients.pem");
    let aside = authorities.with_extension("aside");
    fs::rename(&authorities, &aside)?;
    replace(&house.authority.withdrawn(&[], 3600)?)?;
    eventually("the authorities cannot be read", || {
        let log = house.rig.gateway.log().text();
        Ok(log.matches("cannot be used; the old ones go on").count() > 1)
    })?;
    fs::rename(&aside, &authorities)?;
    house.rig.gateway.log().wait_for("were read anew")?;
    replace(&house.authority.withdrawn(&[&lost], 3600)?)?;
    eventually("the list counts", || {
        let mut client = house.ask(Some(&lost), &Handshake::to("/ws"))?;
        Ok(client.head().is_err())
    })?;
    let mut other = house.ask(Some(&kept), &page())?;
    let (_upstream, _) = house.rig.upstream.switch("")?;
    other.expect_switch()?;
    Ok(())
}

#[test]
fn a_list_that_is_over_lets_nobody_in() -> Outcome {
    let list = |authority: &Authority| authority.withdrawn(&[], -60).map(Some);
    let house = House::with(ALONE, "", DEVICES, list)?;
    assert!(house.is_cut(Some(&house.authority.device("7")?))?);
    Ok(())
}

#[test]
fn an_authority_without_a_list_lets_nobody_in_where_there_are_lists() -> Outcome {
    let list = |_: &Authority| Authority::new("Somebody Else")?.withdrawn(&[], 3600).map(Some);
    let house = House::with(ALONE, "", DEVICES, list)?;
    assert!(house.is_cut(Some(&house.authority.device("7")?))?);
    Ok(())
}
