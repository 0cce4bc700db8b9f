// Files of the source tree as bytes of the program: what it serves needs nothing but the binary.
#pragma once

// The bytes of `path`, from the top of the checkout, at `symbol` to `symbol`_end. The Makefile has a rule
// for the object too, so that a change of the file is seen.
#define EMBED(symbol, path)                                                                        \
    __asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"" path "\"\n" #symbol                   \
            "_end:\n.popsection\n");                                                               \
    extern "C" const char symbol[], symbol##_end[]
