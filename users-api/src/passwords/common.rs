/// Lower case, sorted by bytes, of 8 characters and more.
///
/// Source: the list of 20,000 common passwords that Royce Williams made public for Django
/// (<https://gist.github.com/roycewilliams/226886fd01572964e1431ac8afc999ce>).
const LIST: &str = include_str!("common.txt");

/// Whether a password is on the list, regardless of case.
pub(super) fn contains(password: &str) -> bool {
    let password = password.to_lowercase();
    LIST.lines().any(|common| common == password)
}
