"""Readers of images whose objects are marked by boxes: COCO, YOLO, Pascal VOC."""
