#!/bin/sh
# Writes the sample data anew, the same bytes on every machine; a test compares them.
set -eu
cd "$(dirname "$0")"
attributary=${ATTRIBUTARY:-../target/debug/attributary}
rm -rf touchpoints conversions spend rates.csv events
"$attributary" simulate shop.tmp --preset b2c --customers 14000 --touches 50000 --conversions 2000 --days 180 --seed 11 --duplicates 0.004 --nulls 0.01 --campaigns 40 --repeat 0.5 --currencies SEK,EUR --refund-of true --spend true
mv shop.tmp/touchpoints shop.tmp/conversions shop.tmp/spend shop.tmp/rates.csv .
"$attributary" simulate events.tmp --preset b2c --layout events --customers 300 --touches 3000 --conversions 150 --days 14 --seed 7 --campaigns 20
mv events.tmp/events .
rm -rf shop.tmp events.tmp
