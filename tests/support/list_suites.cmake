# SPDX-License-Identifier: Apache-2.0
# Run when a program of unit tests is linked: writes its ctests, one for each suite.
#
#   cmake -DPROGRAM=<path> -DNAME=<name> -DOUTPUT=<file> -DCASES=<folder> -DLABELS=<labels>
#         -DTIMEOUT=<seconds> -DSKIPPED=<exit status> -P list_suites.cmake
#
# Starting a program with libtorch takes 0.4 s, which every case would pay if it were a ctest of its own.
# GoogleTest's report in CASES says how many cases a suite had (tools/test.sh counts them).
execute_process(COMMAND ${PROGRAM} --gtest_list_tests OUTPUT_VARIABLE listed COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "(^|\n)[A-Za-z][A-Za-z0-9_/]*\\." suites "${listed}")
if(NOT suites)
  message(FATAL_ERROR "${PROGRAM} has no tests")
endif()
set(text "")
foreach(suite IN LISTS suites)
  string(STRIP "${suite}" suite)
  string(REPLACE "/" "." test "${NAME}.${suite}")
  string(REGEX REPLACE "\\.$" "" test "${test}")
  string(APPEND text "add_test([==[${test}]==] [==[${PROGRAM}]==] [==[--gtest_filter=${suite}*]==])\n"
    "set_tests_properties([==[${test}]==] PROPERTIES LABELS [==[${LABELS}]==] TIMEOUT ${TIMEOUT} "
    "SKIP_RETURN_CODE ${SKIPPED} "
    "ENVIRONMENT [==[OMP_NUM_THREADS=1;GTEST_OUTPUT=xml:${CASES}/${test}.xml]==])\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
