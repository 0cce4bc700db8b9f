// GET /: the status page for people, and what a browser may do with it. Pure.
#pragma once
#include <string>

struct page {
    std::string html;   // with its style and its script
    std::string policy; // the value of Content-Security-Policy: allows these two and no others
};

// Of the files in src/page/, which are in the program.
[[nodiscard]] struct page page_make();
