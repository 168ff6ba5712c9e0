"""What moves by itself: runners, locks, pauses, disks, rates."""
