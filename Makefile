# tracer-svc: one door to all tracer-node agents of a Kubernetes cluster
#
# targets
#   make                    the daemon, build/release/tracer-svc
#   make sim                the simulated cluster, build/release/tracer-sim
#   make check              unit tests of this variant (build and run)
#   make check-e2e          end-to-end tests: the real daemon, the simulator, real sockets; the documents' examples
#   make check-corpus       what the fuzz targets make of their corpora
#   make fuzz               each fuzz target for FUZZ_SECONDS (clang++)
#   make bench-programs     what scripts/bench measures with
#   make soak               SOAK_SECONDS of a bad cluster and a load; SOAK_SEED makes another one
#   make check-valgrind     the same with the daemon under valgrind
#   make lint               format, shell, manual page, include directions, option documentation
#   make format             rewrite the sources in the project's format
#   make sbom               the Debian packages that the daemon is made of, build/release/sbom.spdx.json
#   make install            binary, manual page and completions into $(DESTDIR)$(PREFIX)
#   make clean              remove build/
#
# variables
#   BUILD=release           or debug, asan (AddressSanitizer and UBSan)
#   WERROR=1                warnings are errors, as in CI
#   TEST_JOBS=1             how many test programs run at once
#   TEST_WRAPPER=cmd        run each test program under cmd, such as valgrind
#   SOAK_SECONDS=600        how long make soak takes
#   FUZZ_SECONDS=60         how long make fuzz runs each target
#   V=1                     show the commands
#   PREFIX=/usr/local       where install puts things; DESTDIR is put before it

BUILD  ?= release
PREFIX ?= /usr/local
CXX    ?= g++
out    := build/$(BUILD)
VERSION := $(shell cat VERSION)

PACKAGES := libevent libevent_openssl libcurl libcjson libssl
ifneq ($(shell pkg-config --exists $(PACKAGES) && echo yes),yes)
  ifeq ($(filter help clean format lint,$(MAKECMDGOALS)),)
    $(error missing packages: on Debian 'apt-get install g++ pkg-config libevent-dev libcurl4-openssl-dev libcjson-dev libssl-dev')
  endif
endif

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast \
  -Wcast-qual -Wnull-dereference -Wformat=2 -Wundef -Wmissing-declarations -Wredundant-decls \
  -Wswitch-enum -Wimplicit-fallthrough -Wnon-virtual-dtor $(if $(WERROR),-Werror)
flags.release := -O2 -g -DNDEBUG -D_FORTIFY_SOURCE=2
flags.debug   := -O0 -g3
flags.asan    := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
ifeq ($(flags.$(BUILD)),)
  $(error BUILD=$(BUILD): want release, debug or asan)
endif

# the two system headers that are not clean under our warnings come in as -isystem
INCLUDES := -Iinclude $(subst -I,-isystem ,$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null))
CXXFLAGS_ALL  = -std=c++20 -fno-exceptions -fno-rtti -fPIE -fstack-protector-strong $(flags.$(BUILD)) \
  $(WARNINGS) $(INCLUDES) -DTRACER_SVC_VERSION='"$(VERSION)"' -MMD -MP $(CXXFLAGS)
LDFLAGS_ALL = -pie -static-libstdc++ -static-libgcc -Wl,-z,relro,-z,now -Wl,--as-needed $(filter -fsanitize%,$(flags.$(BUILD))) $(LDFLAGS)
LIBS := -levent_openssl -levent_extra -levent_core $(shell pkg-config --libs libcurl libcjson 2>/dev/null) -lssl -lcrypto

sources   := $(wildcard src/*.cc)
objects   := $(sources:src/%.cc=$(out)/obj/%.o)
library   := $(filter-out $(out)/obj/main.o,$(objects))
sim_objs  := $(patsubst test/sim/%.cc,$(out)/obj/sim/%.o,$(wildcard test/sim/*.cc))
support   := $(patsubst test/support/%.cc,$(out)/obj/support/%.o,$(wildcard test/support/*.cc))
unit      := $(patsubst test/%.cc,$(out)/test/%,$(wildcard test/*_test.cc))
fuzzers   := $(patsubst test/fuzz/%.cc,$(out)/fuzz/%,$(wildcard test/fuzz/*_fuzz.cc))
replays   := $(patsubst test/fuzz/%_fuzz.cc,$(out)/replay/%,$(wildcard test/fuzz/*_fuzz.cc))
# these run on a scripted http_client, linked in the place of the real one
fake_http := $(patsubst %,$(out)/test/%,lister_test reflector_test reflector_pace_test discovery_test kube_account_test \
  auth_test auth_call_test node_access_test)
fake_objs := $(patsubst %,$(out)/obj/support/%.o,fake_http_client reflecting)
e2e       := $(patsubst test/e2e/%.cc,$(out)/test/e2e/%,$(wildcard test/e2e/*_test.cc))
bench_objs := $(patsubst %,$(out)/obj/bench/%.o,common asker bare curl_client)
benches    := $(patsubst test/bench/%.cc,$(out)/bench/%,$(wildcard test/bench/*_bench.cc)) \
  $(addprefix $(out)/bench/,nodes turns.so heap.so)
VALGRIND := valgrind -q --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99
Q := $(if $(V),,@)

.PHONY: all sim tests bench-programs check check-e2e check-valgrind check-corpus soak fuzz lint format sbom install clean help
.SECONDARY:
all: $(out)/tracer-svc
sim: $(out)/tracer-sim
bench-programs: all sim $(benches)
tests: all sim $(unit) $(e2e) $(if $(filter asan,$(BUILD)),$(replays),$(benches))

$(out)/tracer-svc: $(objects)
	@echo "  LINK $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(out)/tracer-sim: $(sim_objs)
	@echo "  LINK $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(out)/obj/%.o: src/%.cc Makefile VERSION
	@mkdir -p $(@D) && echo "  CXX  $<"
	$(Q)$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<

# these take files in
$(out)/obj/openapi.o $(out)/obj/fuzz/src/openapi.o: src/openapi.json
$(out)/obj/page.o $(out)/obj/fuzz/src/page.o: $(wildcard src/page/*)

$(out)/obj/sim/%.o $(out)/obj/support/%.o $(out)/obj/test/%.o: CXXFLAGS += -Itest/support
$(out)/obj/sim/%.o: test/sim/%.cc Makefile
	@mkdir -p $(@D) && echo "  CXX  $<"
	$(Q)$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<
$(out)/obj/support/%.o: test/support/%.cc Makefile
	@mkdir -p $(@D) && echo "  CXX  $<"
	$(Q)$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<
$(out)/obj/test/%.o: test/%.cc Makefile
	@mkdir -p $(@D) && echo "  CXX  $<"
	$(Q)$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<

# archives: of the library a test gets what it calls, and links in a tenth of the time
$(out)/library.a: $(library)
$(out)/support.a: $(filter-out $(fake_objs),$(support))
$(out)/library.a $(out)/support.a:
	$(Q)rm -f $@ && ar rcsT $@ $^

$(out)/test/soak: $(out)/obj/test/soak/soak.o $(out)/support.a $(out)/library.a
	@mkdir -p $(@D) && echo "  LINK $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka
$(fake_http): $(out)/test/%: $(out)/obj/test/%.o $(fake_objs) $(out)/support.a $(out)/library.a
	@mkdir -p $(@D) && echo "  LINK $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka
$(out)/test/%: $(out)/obj/test/%.o $(out)/support.a $(out)/library.a
	@mkdir -p $(@D) && echo "  LINK $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka

# what measures: programs, and objects that are preloaded into the daemon
$(out)/obj/bench/%.o: test/bench/%.cc Makefile
	@mkdir -p $(@D) && echo "  CXX  $<"
	$(Q)$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<
$(out)/bench/%: $(out)/obj/bench/%.o $(bench_objs) $(out)/library.a
	@mkdir -p $(@D) && echo "  LINK $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(out)/bench/%.so: test/bench/%.cc Makefile
	@mkdir -p $(@D) && echo "  LINK $@"
	$(Q)$(CXX) $(filter-out -MMD -MP -fPIE,$(CXXFLAGS_ALL)) -fPIC -shared -o $@ $<

TEST_JOBS ?= 1
check: $(unit)
	@scripts/run-tests -j $(TEST_JOBS) $(TEST_WRAPPER) -- $(unit)
check-e2e: all sim $(e2e) $(if $(filter asan,$(BUILD)),,$(out)/bench/turns.so)
	@TRACER_BUILD=$(out) scripts/run-tests -j $(TEST_JOBS) $(TEST_WRAPPER) -- $(e2e) scripts/check-examples

# with objects of their own: the fuzzer counts branches in all of src/
FUZZ_SECONDS ?= 60
fuzz_cxx   := clang++
fuzz_flags := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
fuzz_build  = $(fuzz_cxx) $(filter-out $(flags.$(BUILD)),$(CXXFLAGS_ALL)) $(fuzz_flags)
$(out)/obj/fuzz/src/%.o: src/%.cc Makefile VERSION
	@mkdir -p $(@D) && echo "  FUZZ $<"
	$(Q)$(fuzz_build) -c -o $@ $<
$(out)/obj/fuzz/%.o: test/fuzz/%.cc Makefile
	@mkdir -p $(@D) && echo "  FUZZ $<"
	$(Q)$(fuzz_build) -c -o $@ $<
$(out)/fuzz/%: $(out)/obj/fuzz/%.o $(library:$(out)/obj/%=$(out)/obj/fuzz/src/%)
	@mkdir -p $(@D) && echo "  LINK $@"
	$(Q)$(fuzz_cxx) $(fuzz_flags) -o $@ $^ $(LIBS)
# the same targets without the fuzzer: every file of their corpora once
$(out)/obj/replay/%.o: test/fuzz/%.cc Makefile
	@mkdir -p $(@D) && echo "  CXX  $<"
	$(Q)$(CXX) $(CXXFLAGS_ALL) -c -o $@ $<
$(out)/replay/%: $(out)/obj/replay/%_fuzz.o $(out)/obj/replay/replay.o $(out)/library.a
	@mkdir -p $(@D) && echo "  LINK $@"
	$(Q)$(CXX) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
check-corpus: $(replays)
	@scripts/run-tests -j $(TEST_JOBS) -- $(foreach r,$(replays),'$(r) test/fuzz/corpus/$(notdir $(r))')
fuzz: $(fuzzers)
	@set -e; for f in $(fuzzers); do name=$$(basename $$f _fuzz); mkdir -p $(out)/fuzz/found; \
	  cp -R test/fuzz/corpus/$$name $(out)/fuzz/corpus-$$$$; echo "  FUZZ $$f"; \
	  $$f -verbosity=0 -print_final_stats=1 -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(out)/fuzz/found/ \
	    $(out)/fuzz/corpus-$$$$; rm -rf $(out)/fuzz/corpus-$$$$; done

SOAK_SECONDS ?= 600
SOAK_SEED    ?= 1
soak: all sim $(out)/test/soak
	@TRACER_BUILD=$(out) SOAK_SECONDS=$(SOAK_SECONDS) SOAK_SEED=$(SOAK_SEED) $(out)/test/soak

check-valgrind: all sim $(e2e)
	@TRACER_BUILD=$(out) TRACER_WRAPPER='$(VALGRIND)' scripts/run-tests -- $(e2e)

lint:
	@scripts/lint
format:
	@clang-format -i $$(git ls-files '*.cc' '*.h')

sbom: $(out)/sbom.spdx.json
$(out)/sbom.spdx.json: $(out)/tracer-svc scripts/sbom
	$(Q)scripts/sbom $< >$@.new && mv $@.new $@
install: $(out)/tracer-svc
	install -D -m 755 $(out)/tracer-svc $(DESTDIR)$(PREFIX)/bin/tracer-svc
	install -D -m 644 man/tracer-svc.8 $(DESTDIR)$(PREFIX)/share/man/man8/tracer-svc.8
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(out)/tracer-svc --completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tracer-svc
	$(out)/tracer-svc --completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_tracer-svc
clean:
	rm -rf build
help:
	@sed -n '/^$$/q;s/^# \{0,1\}//p' Makefile

-include $(shell find $(out)/obj -name '*.d' 2>/dev/null)
