/**
 * A C program of the usual shape, as a tar makes it: a configure script that asks the compiler what it
 * can, a Makefile made from a template, a static and a shared library, a program, a check, an install.
 */
import fs from "node:fs";
import path from "node:path";
import { Random } from "../harness/random.ts";

/** Functions in each module; each calls one of the module before. */
const FUNCTIONS = 6;

const CONFIGURE = `#!/bin/sh
# Finds out what the compiler can, and makes Makefile and config.h.
set -e
prefix=/usr/local
for argument; do
  case $argument in --prefix=*) prefix=\${argument#*=} ;; esac
done
source=$(dirname "$0")
exec 5>config.log
: > confdefs.h
for header in stdio.h stdlib.h string.h stdint.h unistd.h sys/mman.h no/such/header.h; do
  printf '#include <%s>\\nint main(void) { return 0; }\\n' "$header" > conftest.c
  name=$(echo "HAVE_$header" | tr 'a-z/.' 'A-Z__')
  if \${CC-cc} -c conftest.c -o conftest.o >&5 2>&1; then
    echo "#define $name 1" >> confdefs.h
  else
    echo "/* #undef $name */" >> confdefs.h
  fi
done
printf 'int main(void) { return 0; }\\n' > conftest.c
\${CC-cc} conftest.c -o conftest >&5 2>&1
./conftest
rm -f conftest conftest.*
mv confdefs.h config.h
sed -e "s|@prefix@|$prefix|" -e "s|@CC@|\${CC-cc}|" -e "s|@source@|$source|" \\
  "$source/Makefile.in" > Makefile.tmp
mv Makefile.tmp Makefile
`;

const makefile = (modules: readonly string[]): string => `CC = @CC@
prefix = @prefix@
VPATH = @source@
CFLAGS = -O0 -g -fPIC -I. -I@source@
OBJECTS = ${modules.map((name) => `${name}.o`).join(" ")}

all: sum sum-shared
%.o: %.c config.h modules.h
\t$(CC) $(CFLAGS) -c -o $@ $<
libmodules.a: $(OBJECTS)
\trm -f $@
\tar rcs $@ $(OBJECTS)
libmodules.so: $(OBJECTS)
\t$(CC) -shared -o $@ $(OBJECTS)
sum: main.o libmodules.a
\t$(CC) -o $@ main.o libmodules.a
sum-shared: main.o libmodules.so
\t$(CC) -o $@ main.o -L. -lmodules -Wl,-rpath,'$$ORIGIN'
check: all
\t./sum > sum.out
\tcmp sum.out @source@/sum.expected
\t./sum-shared > shared.out
\tcmp shared.out @source@/sum.expected
install: all
\tmkdir -p $(DESTDIR)$(prefix)/bin $(DESTDIR)$(prefix)/lib
\tcp -p sum $(DESTDIR)$(prefix)/bin/sum.new
\tmv -f $(DESTDIR)$(prefix)/bin/sum.new $(DESTDIR)$(prefix)/bin/sum
\tcp -p libmodules.a $(DESTDIR)$(prefix)/lib
clean:
\trm -f *.o *.a *.so *.out sum sum-shared
.PHONY: all check install clean
`;

/** Write its sources into `directory`, which is not there yet. `count` modules. */
export function writeCProgram(directory: string, seed: number, count: number): void {
  const random = new Random(seed);
  const modules = Array.from({ length: count }, (_, index) => `module_${index}`);
  const factors = modules.map(() => Array.from({ length: FUNCTIONS }, () => 1 + random.below(97)));
  const put = (name: string, text: string, mode = 0o644): void =>
    fs.writeFileSync(path.join(directory, name), text, { mode });
  fs.mkdirSync(directory);
  put("configure", CONFIGURE, 0o755);
  put("Makefile.in", makefile(modules));
  put("modules.h", prototypes(modules));
  put("main.c", mainOf(modules));
  for (const [index, name] of modules.entries()) put(`${name}.c`, moduleOf(index, factors[index]!));
  put("sum.expected", `${sumOf(factors)}\n`);
}

const functionName = (module: number, index: number): string => `f_${module}_${index}`;

function prototypes(modules: readonly string[]): string {
  const lines = modules.flatMap((_, module) =>
    Array.from(
      { length: FUNCTIONS },
      (_, index) => `uint32_t ${functionName(module, index)}(uint32_t x);`,
    ),
  );
  return `#include <stdint.h>\n${lines.join("\n")}\n`;
}

function moduleOf(module: number, factors: readonly number[]): string {
  const functions = factors.map((factor, index) => {
    const inner = module === 0 ? "x" : `${functionName(module - 1, index)}(x + 1)`;
    const name = functionName(module, index);
    return `uint32_t ${name}(uint32_t x)\n{\n\treturn ${inner} * ${factor}u + ${module}u;\n}\n`;
  });
  return `#include "config.h"\n#include "modules.h"\n\n${functions.join("\n")}`;
}

function mainOf(modules: readonly string[]): string {
  const calls = Array.from(
    { length: FUNCTIONS },
    (_, index) => `\tsum = sum * 31u + ${functionName(modules.length - 1, index)}(${index}u);`,
  );
  return `#include <stdio.h>\n#include "modules.h"\n
int main(void)\n{\n\tuint32_t sum = 0;\n${calls.join("\n")}\n\tprintf("%u\\n", sum);\n\treturn 0;\n}\n`;
}

/** What the program is to print. */
function sumOf(factors: readonly (readonly number[])[]): number {
  let sum = 0;
  for (let index = 0; index < FUNCTIONS; index++) {
    let value = index + factors.length - 1;
    for (const [module, row] of factors.entries()) {
      value = (Math.imul(value, row[index]!) + module) >>> 0;
    }
    sum = (Math.imul(sum, 31) + value) >>> 0;
  }
  return sum;
}
