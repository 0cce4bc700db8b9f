// The files of src/page/ as one document.
#include "page.h"

#include <string_view>

#include <openssl/evp.h>

#include "embed.h"

EMBED(page_html, "src/page/page.html");
EMBED(page_css, "src/page/page.css");
EMBED(page_js, "src/page/page.js");

// What a browser compares an element's text with, CSP level 3 (2.3.1).
static std::string hash_source(std::string_view text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) != 1)
        return "'none'";
    unsigned char base64[2 * EVP_MAX_MD_SIZE];
    EVP_EncodeBlock(base64, digest, static_cast<int>(size));
    return "'sha256-" + std::string(reinterpret_cast<char *>(base64)) + "'";
}

// Puts `text` into the empty element that `at` is.
static void fill(std::string *html, std::string_view at, std::string_view text)
{
    html->insert(html->find(at) + at.find("</"), text);
}

struct page page_make()
{
    const std::string_view css(page_css, page_css_end);
    const std::string_view js(page_js, page_js_end);
    struct page p = {.html = std::string(page_html, page_html_end), .policy = ""};
    fill(&p.html, "<style></style>", css);
    fill(&p.html, "<script></script>", js);
    p.policy = "default-src 'none'; script-src " + hash_source(js) + "; style-src " +
               hash_source(css) +
               "; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
               "frame-ancestors 'none'; require-trusted-types-for 'script'";
    return p;
}
