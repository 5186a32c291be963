//! The conversion tables of the pool: every entry stands in the program below its table, which the doc tests compile
//! and run.

use anthill_tests::guides::sections;

#[test]
fn every_row_of_the_conversion_tables_stands_in_the_program_below_it() {
    let mut checked = 0;
    for section in sections(include_str!("../../pool/COMING_FROM.md")) {
        section.assert_tried();
        assert!(section.rows.iter().all(|(_, here)| here.is_some()), "{}", section.heading);
        checked += section.rows.len();
    }
    assert!(checked > 60, "only {checked} rows were found");
}
