//! The page for people: one file, which asks for `/status` once a second. It loads nothing else.

/// The page.
pub const HTML: &str = include_str!("page.html");
/// What it may do: run itself, and ask where it comes from.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
     style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_anywhere() {
        for outside in ["http://", "https://", "src=\"", "@import", "url("] {
            assert!(!HTML.contains(outside), "{outside}");
        }
    }

    #[test]
    fn no_text_is_read_as_html() {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"] {
            assert!(!HTML.contains(way), "{way}");
        }
    }
}
