//! Clients that nobody here wrote read the challenges and act on them: an OAuth library, and a page in a browser.

mod browser;
mod library;
