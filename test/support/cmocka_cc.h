// CMocka for C++: its header (1.1.5) lacks extern "C", and its macro fail() breaks headers
// of C++ that come behind it.
#pragma once
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <memory>
extern "C" {
#include <cmocka.h>
}
