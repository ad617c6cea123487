from scratch as Up
