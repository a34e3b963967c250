/// Common passwords of 8 characters and more, in lower case, sorted by bytes.
///
/// Source: the list of 20,000 common passwords that Royce Williams published for Django
/// (<https://gist.github.com/roycewilliams/226886fd01572964e1431ac8afc999ce>).
const COMMON_PASSWORDS: &str = include_str!("common.txt");

/// Returns true if a password is on the list, regardless of case.
pub(super) fn contains(password: &str) -> bool {
    let password = password.to_lowercase();
    COMMON_PASSWORDS.lines().any(|common| common == password)
}
