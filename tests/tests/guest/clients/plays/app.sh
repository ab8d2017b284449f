#!/bin/sh
echo "$# $(id -un)" >/srv/app/script
