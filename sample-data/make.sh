#!/bin/sh
# Writes the sample data anew, the same bytes on every machine; a test compares them.
set -eu
cd "$(dirname "$0")"
attributary=${ATTRIBUTARY:-../target/debug/attributary}
rm -rf touchpoints conversions events
"$attributary" simulate shop.tmp --preset b2c --customers 3000 --touches 40000 --conversions 1500 --days 60 --seed 7 --duplicates 0.004 --nulls 0.01 --campaigns 40
mv shop.tmp/touchpoints shop.tmp/conversions .
"$attributary" simulate events.tmp --preset b2c --layout events --customers 300 --touches 3000 --conversions 150 --days 14 --seed 7 --campaigns 20
mv events.tmp/events .
rm -rf shop.tmp events.tmp
