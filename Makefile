# The one door. `make` alone says what there is.

.PHONY: help pictures demo demo-down demo-dokku test test-dokku unit lint bats every-call bench bench-deploy fuzz valgrind coverage size screenshots

help:
	@echo "make demo         the story of the README on this machine's Docker; leaves it running"
	@echo "make demo-down    take away everything that the demo made"
	@echo "make pictures     what the README shows, from the demo that runs"
	@echo "make demo-dokku   the same story on the Dokku of this machine (asks first)"
	@echo "make test         every suite: lint, C unit tests, a little fuzzing, bats"
	@echo "make every-call   commands and hooks killed, and failing, at each external call: half an hour"
	@echo "make test-dokku   the same bats files against the Dokku of this machine"
	@echo "make unit         C unit tests and HTTP conformance, with sanitizers and in valgrind"
	@echo "make lint         shellcheck, shfmt, clang-format, clang-tidy, cppcheck, gcc -fanalyzer"
	@echo "make bench        ratios against named rivals, measured in the same run"
	@echo "make bench-deploy a deploy under load: ours beside what Dokku offers"
	@echo "make fuzz         fuzzers, in libFuzzer and in AFL++, SECONDS=60 each"
	@echo "make valgrind     the C unit tests in valgrind"
	@echo "make coverage     line coverage of helpers/"
	@echo "make size         sizes of the images, and memory after a million requests"
	@echo "make screenshots  pictures of the pages, in build/screenshots"

demo:
	@demo/run

demo-down:
	@demo/down

pictures:
	@demo/pictures

demo-dokku:
	@demo/dokku

test:
	@tests/run

test-dokku:
	@tests/run --dokku

unit lint:
	@tests/run $@

bats:
	@tests/run bats

every-call:
	@EVERY_CALL=1 tests/run tests/kill.bats tests/fail.bats

bench:
	@bench/run

bench-deploy:
	@bench/deploy

fuzz:
	@tests/setup && $(MAKE) -C helpers fuzz afl

valgrind coverage:
	@tests/setup && $(MAKE) -C helpers $@

size:
	@tests/run tests/resident.bats

screenshots:
	@tests/setup && tests/screenshots
